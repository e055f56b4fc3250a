"""Requests have the same key if the models read the same of them; entries have their sizes."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from recommender_contract.events import Source
from recommender_serving.domain.selection import Selection
from recommender_serving.domain.types import Answer, Past, RecommendRequest, SessionEvent
from recommender_serving.protocols.request_limits import Limits
from recommender_serving.protocols.v1 import parse_v1
from recommender_serving.ranking.answer_cache import Bounds, Cache, key_of, size_of
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


class Nobody:
    async def answer(self, request: RecommendRequest, deadline: float | None = None) -> Answer:
        raise AssertionError("nobody is asked")


def kept(user: int, text: str, pool: int) -> tuple[RecommendRequest, Answer]:
    """A request and its answer that share no objects with those of another user."""
    first = user * 1000
    session = tuple(SessionEvent(first + n, first + n, 4.5 + n) for n in range(20))
    past = Past(known=frozenset(range(first, first + 100)))
    names = [f"{text}{user}-{n}" for n in range(100 if text else 0)]
    wishes = Selection(
        allow={"genre": frozenset(names[:50])}, deny={"genre": frozenset(names[50:])}
    )
    features = {"device": f"d{user}{text[:58]}"}
    asked = RecommendRequest(user + 10**6, 10**9 + user, 10, session, features,
                             past=past, selection=wishes)  # fmt: skip
    items = tuple(range(first, first + 10))
    others = tuple((first + n, (first + n) / 7) for n in range(300, 300 + pool))
    return asked, Answer(items, (user / 7,) * 10, Source.MODEL, pool=others)


def bytes_of(text: str, pool: int) -> tuple[int, int]:
    """The bytes of 200 entries, as counted and in the process."""
    bounds = Bounds(seconds=5, entries=10**6, bytes=2**30)
    cache = Cache(Nobody(), bounds, lambda _: None, lambda *_: None, lambda: 0.0)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    counted = 0
    for user in range(200):
        asked, answer = kept(user, text, pool)
        counted += size_of(asked, answer)
        cache._keep(key_of(asked), asked, answer)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return counted, after - before


@pytest.mark.parametrize("text", ["", "x" * 200, "\N{TEACUP WITHOUT HANDLE}" * 200])
def test_the_counted_bytes_are_at_least_those_of_the_process(text: str) -> None:
    counted, taken = bytes_of(text, pool=0)
    assert 0.5 * counted < taken <= counted


def test_the_bytes_of_a_pool_are_counted() -> None:
    # More items than a pool has: else the objects that Python keeps for reuse hide them.
    (counted, taken), (further, further_taken) = bytes_of("", pool=0), bytes_of("", pool=100)
    assert 0.5 * (further - counted) < further_taken - taken <= further - counted
