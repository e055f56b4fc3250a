"""The collector is asked about what a model has, and about nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from recommender_operator.adapters.counters import told
from recommender_operator.observed import CollectorReading, ModelObject
from recommender_operator.resources import holdout
from tests.unit.recommender_operator.resources.builder_inputs import model

HELD = {"impressions": 1, "holdout": {"percent": 5}}


class Users:
    """Remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    async def read(
        self, model: ModelObject, experiment: str, phase: int | None = None
    ) -> CollectorReading:
        self.asked.append((experiment, phase))
        return CollectorReading(body={"experiment": experiment})

    async def outcomes(self, model: ModelObject, version: str) -> CollectorReading:
        raise AssertionError("there is no label")


async def test_the_measure_of_a_holdout_is_read() -> None:
    users, wanted = Users(), model(serving=HELD)
    id_ = holdout.measure(wanted)
    found = await told.of(users, wanted, ())
    assert users.asked == [(id_, None)]
    assert found == (None, None, CollectorReading(body={"experiment": id_}))


@pytest.mark.parametrize("deleting", [False, True])
async def test_nothing_is_read_without_a_holdout_or_of_a_model_that_goes(deleting: bool) -> None:
    users = Users()
    wanted = dataclasses.replace(model(serving=HELD), deleting=True) if deleting else model()
    assert await told.of(users, wanted, ()) == (None, None, None)
    assert users.asked == []
