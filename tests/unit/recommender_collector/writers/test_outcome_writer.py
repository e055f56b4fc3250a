"""The outcomes of a record never stop the writer, and never keep a user who is erased."""

from __future__ import annotations

import logging
from collections.abc import Collection

import pytest

from recommender_collector.domain.declaration import Model
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.store_updates import number
from recommender_collector.outcomes.outcome_sums import OutcomeSums
from recommender_collector.outcomes.predictions import Cell
from recommender_collector.store.outcome_store import Known
from recommender_collector.writers.outcome_writer import Gain, OutcomeCounter
from recommender_contract.events import Kind
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
        self.asked = 0
        self.offset = "0-0"

    async def known(self, _model: str, _users: Collection[int]) -> Known:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return Known(self.offset, None, {}, True)

    async def sums(self, _model: str, _cells: Collection[Cell]) -> dict[Cell, OutcomeSums]:
        return {}


async def gain(of: Model, store: Store, *entries: Event | Erasure) -> Gain:
    counter = OutcomeCounter(store, "shop", of)  # type: ignore[arg-type]
    found = await counter.turn("0-0", "1-0", AT, entries)
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


async def test_a_model_without_predictions_asks_the_store_once() -> None:
    """Also with records that concern nobody; an erasure needs no answer."""
    store, purchase = Store(), Event("e", Kind.PURCHASE, "ada", ("tea",), AT, 4.5)
    counter = OutcomeCounter(store, "shop", LABELLED)  # type: ignore[arg-type]
    records: list[list[Event | Erasure]] = [[purchase], [], [purchase], [Erasure("ada")]]
    for place, entries in enumerate(records):
        gain_ = await counter.turn(f"{place}-0", f"{place + 1}-0", AT, entries)
    assert store.asked == 1
    assert gain_ == Gain([ADA])
    store.offset = "4-0"
    gain_ = await counter.turn("4-0", "5-0", AT, [IMPRESSION, purchase])
    assert (store.asked, gain_ and gain_.counted) == (2, 1)
    store.offset = "5-0"
    await counter.turn("5-0", "6-0", AT, [purchase])
    assert store.asked == 3


async def test_after_another_writer_the_store_is_asked_again() -> None:
    store, purchase = Store(), Event("e", Kind.PURCHASE, "ada", ("tea",), AT, 4.5)
    counter = OutcomeCounter(store, "shop", LABELLED)  # type: ignore[arg-type]
    await counter.turn("0-0", "1-0", AT, [purchase])
    store.offset = "7-0"
    await counter.turn("7-0", "8-0", AT, [purchase])
    assert store.asked == 2
