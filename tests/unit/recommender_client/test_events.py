"""An event means to the collector what it says, and fits into a request."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_client import UserEvent, events
from recommender_client.events import batches
from recommender_collector.domain import events as collected
from recommender_collector.domain.validation import FIELDS, Rules, event_of
from recommender_contract.events import Kind
from tests.unit.recommender_collector.collector_samples import NOW, model

ABOUT: events.About = {
    "request": "r-1",
    "session": "s-1",
    "context": {"device": "phone"},
    "model": "shop",
    "version": "shop-1",
    "path": "baseline",
    "hashed": True,
    "time": NOW - 5.5,
    "id": "e-1",
}


def read(event: UserEvent) -> collected.Event:
    return event_of(json.loads(json.dumps(event.body())), Rules(model()), NOW)


def told(**changed: Any) -> collected.Event:
    """What the collector keeps of a click with everything that an event may say."""
    kept = collected.Event(
        "e-1", Kind.CLICK, "ada", ("tea",), int((NOW - 5.5) * 1000),
        None, "r-1", "s-1", None, {"device": "phone"}, "shop-1", "baseline",
    )  # fmt: skip
    return kept._replace(**changed)


@pytest.mark.parametrize(
    ("event", "kept"),
    [
        (events.click("ada", "tea", **ABOUT), told()),
        (events.click("ada", "tea", rating=4, **ABOUT), told(value=4.0)),
        (
            events.impression("ada", ["tea", "cup"], **ABOUT),
            told(kind=Kind.IMPRESSION, items=("tea", "cup")),
        ),
        (events.visit("ada", **ABOUT), told(kind=Kind.VISIT, items=())),
        (events.visit("ada", "tea", **ABOUT), told(kind=Kind.VISIT)),
        (
            events.search("ada", "green tea", **ABOUT),
            told(kind=Kind.SEARCH, items=(), query="green tea"),
        ),
        (events.basket("ada", "tea", **ABOUT), told(kind=Kind.BASKET)),
        (
            events.purchase("ada", "tea", 4.5, **ABOUT),
            told(kind=Kind.PURCHASE, value=4.5),
        ),
        (events.dwell("ada", "tea", 9, **ABOUT), told(kind=Kind.DWELL, value=9.0)),
        (events.dislike("ada", "tea", **ABOUT), told(kind=Kind.DISLIKE)),
    ],
)
def test_the_collector_reads_what_an_event_says(event: UserEvent, kept: collected.Event) -> None:
    assert read(event) == kept


def test_fields_are_those_of_the_collector() -> None:
    names = {each.name for each in dataclasses.fields(UserEvent)}
    # Only the serving path knows experiments, holdouts and mixed lists, how a request was served,
    # which items are of a group, and what was predicted and drawn.
    predicted = {"probabilities", "labelSegments"}
    requests = {"served", "ofGroup", "holdout", "interleaved", *collected.Exposure._fields}
    served = predicted | requests | {"explored"}
    assert names | {"item", *served} == set(FIELDS)


def test_each_event_has_an_id_and_a_time_of_its_own_that_stay() -> None:
    first, second = events.click(1, 2), events.click(1, 2)
    assert first.id != second.id
    assert first.body() == first.body()
    assert 0 < first.time <= second.time


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_json_lacks_are_refused_where_they_are_made(number: float) -> None:
    with pytest.raises(ValueError, match=r"value: got .*; give a finite number"):
        events.purchase(1, 2, number)
    with pytest.raises(ValueError, match=r"time: got .*; give a finite number"):
        events.click(1, 2, time=number)


@given(
    st.lists(st.integers(1, 60), max_size=40),
    st.integers(1, 10),
    st.integers(300, 1500),
)
def test_requests_have_all_events_once_in_order_within_their_limits(
    counts: list[int], most: int, size: int
) -> None:
    given_ = [events.impression(1, list(range(count))) for count in counts]
    found = list(batches(given_, most, size))
    assert [each for batch in found for each in batch.events] == given_
    for batch in found:
        assert json.loads(batch.body) == [each.body() for each in batch.events]
        assert 1 <= len(batch.events) <= most
        assert len(batch.body) <= size or len(batch.events) == 1
    for before, after in itertools.pairwise(found):  # none is split in vain
        joined = list(batches([*before.events, after.events[0]], most, size))
        assert len(joined) == 2


def test_a_request_is_filled_to_the_byte_and_no_further() -> None:
    three = [events.click(1, number) for number in range(3)]
    (whole,) = batches(three)
    assert len(list(batches(three, most_bytes=len(whole.body)))) == 1
    assert len(list(batches(three, most_bytes=len(whole.body) - 1))) == 2
