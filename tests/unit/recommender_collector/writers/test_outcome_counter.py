"""The outcomes of a record never stop the writer, and never keep a user who is erased."""

from __future__ import annotations

import logging
from collections.abc import Collection

import pytest

from recommender_collector.domain.declaration import Model
from recommender_collector.domain.effects import number
from recommender_collector.domain.events import Erasure, Event, Kind
from recommender_collector.domain.outcomes import Outcomes
from recommender_collector.domain.predictions import Cell
from recommender_collector.store.outcomes import Known
from recommender_collector.writers.outcomes import Gain, OutcomeCounter
from tests.unit.recommender_collector.collector_samples import MAPPING, model

LABEL = {
    "positiveTypes": [{"type": "purchase"}],
    "attribution": {"impressions": ["impression"], "hours": 2},
}
LABELLED = model({**MAPPING, "label": LABEL})
AT = 1_795_000_000_000
ADA = ("UNLINK", f"{{shop}}:outcomes:user:{number('ada')}")
IMPRESSION = Event(
    "e", Kind.IMPRESSION, "ada", ("tea",), AT, version="shop-0a1b2c3d", path="model",
    probabilities=(0.25,),
)  # fmt: skip


class Store:
    """A store that has nothing, or that fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def known(self, _model: str, _users: Collection[int]) -> Known:
        if self.error is not None:
            raise self.error
        return Known("0-0", None, {}, True)

    async def sums(self, _model: str, _cells: Collection[Cell]) -> dict[Cell, Outcomes]:
        return {}


async def gain(of: Model, store: Store, *entries: Event | Erasure) -> Gain:
    found = await OutcomeCounter(store, "shop", of).turn("0-0", AT, entries)  # type: ignore[arg-type]
    assert found is not None
    return found


async def test_an_erased_user_is_removed_also_if_the_store_cannot_read_it() -> None:
    assert ADA in (await gain(LABELLED, Store(), Erasure("ada"))).commands


async def test_an_erased_user_is_removed_also_if_the_label_is_no_outcome_any_more() -> None:
    found = await gain(model(), Store(), IMPRESSION, Erasure("ada"))
    assert found == Gain([ADA])


async def test_an_erased_user_is_removed_also_with_a_record_that_cannot_be_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store(ValueError("of ada"))
    with caplog.at_level(logging.ERROR):
        found = await gain(LABELLED, store, IMPRESSION, Erasure("ada"))
    assert found == Gain([ADA])
    assert "cannot be counted" in caplog.text
    assert "ada" not in caplog.text
