"""The collector is asked about what a model has, and about nothing else."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from typing import Any

import pytest

from recommender_operator.api.spec_rollout import InterleavingSpec
from recommender_operator.api.status_holdout import HoldoutStatus
from recommender_operator.api.version import VersionStage
from recommender_operator.api.version_interleaving import InterleavingStatus
from recommender_operator.observed import CollectorReading, ModelObject
from recommender_operator.reconcile import collector_readings
from recommender_operator.resources import holdout_users
from tests.fakes.kube import NOW
from tests.unit.recommender_operator.resources.builder_inputs import model, version

START = datetime.datetime(2026, 11, 28, tzinfo=datetime.UTC)
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

    async def measure(self, model: ModelObject, measure: str) -> CollectorReading:
        self.asked.append((measure,))
        return CollectorReading(body={"experiment": measure})


async def test_the_measure_of_a_holdout_is_read() -> None:
    users, wanted = Users(), model(events=HELD)
    id_ = holdout_users.measure(wanted)
    found = await collector_readings.read_collector(users, wanted, ())
    assert users.asked == [(id_,)]
    assert found == (None, None, CollectorReading(body={"experiment": id_}))


@pytest.mark.parametrize(
    ("days", "minutes", "id_", "asked"),
    [
        (1, 59, None, False),
        (1, 60, None, True),
        (1, 1, "00000000", True),
        (0, 1, None, True),  # a new one
    ],
)
async def test_a_measure_is_read_when_its_numbers_are_an_hour_old_or_it_is_new(
    days: int, minutes: int, id_: str | None, asked: bool
) -> None:
    users, held = Users(), model(events=HELD)
    own = id_ or holdout_users.measure(held)
    assert own is not None
    now = datetime.datetime(2026, 11, 28, tzinfo=datetime.UTC)
    read = now - datetime.timedelta(minutes=minutes)
    seen = HoldoutStatus(id=own, since=read - datetime.timedelta(days=days), observed_at=read)
    held = dataclasses.replace(held, status=held.status.model_copy(update={"holdout": seen}))
    found = await collector_readings.read_collector(users, held, (), now)
    assert bool(users.asked) is (found[2] is not None) is asked


@pytest.mark.parametrize(
    ("values", "is_read"),
    [
        ({"started_at": START}, True),
        ({}, False),  # the route does not say it yet
        ({"started_at": START, "ended_at": START}, False),
    ],
)
async def test_the_mixed_lists_before_the_first_step_are_read(
    values: dict[str, Any], is_read: bool
) -> None:
    record = InterleavingStatus(
        id="5c0ffee5", plan=InterleavingSpec(), waiting_since=NOW, **values
    )
    candidate = version()
    given = {"stage": VersionStage.CANARY, "interleaving": record}
    status = candidate.status.model_copy(update=given)
    users = Users()
    found = await collector_readings.read_collector(
        users, model(), [dataclasses.replace(candidate, status=status)]
    )
    assert users.asked == ([("5c0ffee5", None)] if is_read else [])
    assert (found[0] is not None) is is_read


async def test_a_collector_that_does_not_answer_delays_a_look_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = asyncio.Barrier(2)

    class Waiting(Users):
        async def outcomes(self, model: ModelObject, version: str) -> CollectorReading:
            await both.wait()
            return CollectorReading()

        async def measure(self, model: ModelObject, measure: str) -> CollectorReading:
            await both.wait()
            return CollectorReading()

    monkeypatch.setattr(
        "recommender_operator.reconcile.collector_readings.compared_version",
        lambda _: "movies-0a1b2c3d",
    )
    async with asyncio.timeout(60):
        await collector_readings.read_collector(Waiting(), model(events=HELD), ())


@pytest.mark.parametrize("deleting", [False, True])
async def test_nothing_is_read_without_a_holdout_or_of_a_model_that_goes(deleting: bool) -> None:
    users = Users()
    wanted = dataclasses.replace(model(events=HELD), deleting=True) if deleting else model()
    assert await collector_readings.read_collector(users, wanted, ()) == (None, None, None)
    assert users.asked == []
