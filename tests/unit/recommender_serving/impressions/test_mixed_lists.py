"""The collector reads of an impression which version gave each item."""

from __future__ import annotations

import json

import pytest

from recommender_collector.domain import cloud_events
from recommender_collector.domain.batch_validation import validate_batch
from recommender_collector.domain.events import Event, Interleaved
from recommender_collector.domain.lines import entry_of
from recommender_contract.events import MAX_ITEMS, Source
from recommender_serving.domain.types import Answer
from recommender_serving.impressions.impression_events import (
    AnsweredRequest,
    Mixed,
    Origin,
    bodies,
    shown,
)
from tests.unit.recommender_collector.collector_samples import rules
from tests.unit.recommender_serving.serving_samples import SHOP, request, vocabulary_of

AT = 1_795_000_000.25


def read(items: list[str], teams: str) -> Event:
    """The event that the collector makes of the impression of a mixed list."""
    answer = Answer((1, 2), (0.5, 0.25), Source.MODEL)
    found = shown(
        AnsweredRequest(
            request(user_text="ada"),
            answer,
            items,
            "r-1",
            AT,
            mixed=Mixed("5c0ffee5", "shop-2", teams),
        ),
        vocabulary_of(SHOP).features,
    )
    assert found is not None
    origin = Origin("shop", "shop-1", "shop-1/0f", predicts=True)
    ((_, body),) = bodies([(7, found)], origin, 100_000)
    batch = validate_batch(json.loads(body), {"shop": rules()}, AT + 1, cloud_events.unwrap)
    assert batch.rejected == []
    event = entry_of(batch.events["shop"].lines.text)
    assert isinstance(event, Event)
    return event


def test_the_collector_reads_which_version_gave_each_item() -> None:
    event = read(["tea", "cup", "pot"], "AB-")
    assert event.items == ("tea", "cup", "pot")
    assert event.interleaved == Interleaved("5c0ffee5", "shop-2", "AB-")
    assert event.version == "shop-1"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_item_that_the_collector_would_refuse_is_left_out_with_its_letter(place: int) -> None:
    items, teams = ["tea", "cup", "pot"], "AB-"
    items[place] = ""
    event = read(items, teams)
    assert event.items == tuple(item for item in items if item)
    assert event.interleaved is not None
    assert event.interleaved.teams == teams[:place] + teams[place + 1 :]


def test_a_very_long_list_is_cut_with_its_letters() -> None:
    event = read([f"i{n}" for n in range(MAX_ITEMS + 9)], "A" * (MAX_ITEMS + 9))
    assert event.interleaved is not None
    assert len(event.items) == len(event.interleaved.teams) == MAX_ITEMS
