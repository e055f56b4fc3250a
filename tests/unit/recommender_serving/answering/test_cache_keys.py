"""Requests have the same key if the models read the same of them."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_serving.answering.cache import key_of
from recommender_serving.domain.types import RecommendRequest, SessionEvent
from recommender_serving.protocols.limits import Limits
from recommender_serving.protocols.v1 import parse_v1
from tests.unit.recommender_serving.serving_parsing import LIMITS, NOW

EVENTS = SessionEvent(8, NOW - 100), SessionEvent(9, NOW + 1)
DATED = [{"item": event.item, "timestamp": event.timestamp} for event in EVENTS]
UNDATED = [{"item": 8}, {"item": 9, "value": 4.0}]


def asked(now: int, limits: Limits = LIMITS, **fields: Any) -> RecommendRequest:
    """An instance of v1 without a time of its own, at this time."""
    (request,) = parse_v1({"instances": [{"user_id": 1, **fields}]}, limits, now)
    return request


@pytest.mark.parametrize(
    ("now", "other", "same"),
    [(0, 1, True), (1, 2, False), (0, 2, False), (2, 3, True), (-100, -99, False)],
)
def test_an_event_counts_once_the_time_is_past_it(now: int, other: int, same: bool) -> None:
    one, another = (asked(NOW + each, session=DATED) for each in (now, other))
    assert one.session == another.session == EVENTS
    assert (key_of(one) == key_of(another)) is same


@pytest.mark.parametrize(
    "fields",
    [
        {"session": UNDATED},
        {"seed_items": [3, 4]},
        {"session": UNDATED, "seed_items": [3]},
        {"session": DATED[:1], "seed_items": [3]},
    ],
)
def test_events_without_times_are_the_same_a_second_later(fields: dict[str, Any]) -> None:
    one, another = asked(NOW, **fields), asked(NOW + 1, **fields)
    assert one.session != another.session
    assert key_of(one) == key_of(another)


def test_what_differs_has_another_key() -> None:
    one = asked(NOW, session=UNDATED)
    dated = [
        {"item": event.item, "timestamp": event.timestamp, "value": event.value}
        for event in one.session
    ]
    others = [
        asked(NOW, session=dated),
        asked(NOW, session=UNDATED[::-1]),
        asked(NOW, session=UNDATED[:1]),
        asked(NOW, session=UNDATED, seed_items=[3]),
        asked(NOW, session=UNDATED[:1], seed_items=[9]),
    ]
    assert len({key_of(each) for each in [one, *others]}) == 1 + len(others)
