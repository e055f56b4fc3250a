"""Lists of a request's context are reported as the collector takes them."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from typing import NoReturn

import pytest

from recommender_contract.events import MAX_BODY
from recommender_contract.features import Kind
from recommender_serving.domain.features import Feature, Place, Value
from recommender_serving.domain.types import Reported
from recommender_serving.impressions import reporter
from recommender_serving.impressions.collector_client import Receipt
from recommender_serving.impressions.context_features import listed_bytes
from recommender_serving.impressions.impression_events import (
    AnsweredRequest,
    Origin,
    bodies,
    shown,
)
from recommender_serving.impressions.reporter import Bounds, Impressions
from tests.unit.recommender_collector.collector_samples import mapping, rules
from tests.unit.recommender_serving.impressions.test_impression_events import ANSWER, AT, read
from tests.unit.recommender_serving.serving_samples import request


def test_the_collector_reads_lists_of_the_context() -> None:
    features = {
        "words": Feature("words", Place.CONTEXT, Kind.MULTI_CATEGORICAL, width=3),
        "query": Feature("query", Place.CONTEXT, Kind.EMBEDDING, width=2),
        "odd": Feature("odd", Place.CONTEXT, Kind.MULTI_CATEGORICAL, width=3),
    }
    said: dict[str, Value] = {
        "words": ("red", "shoes"), "query": (0.5, -2.0), "odd": ("\n", "a"),
    }  # fmt: skip
    found = shown(
        AnsweredRequest(request(user_text="ada", features=said), ANSWER, ["tea"], "r-1", AT),
        features,
    )
    declared = [
        {"name": "words", "kind": "MultiCategorical"},
        {"name": "query", "kind": "Embedding", "length": 2},
        {"name": "odd", "kind": "MultiCategorical"},
    ]
    event = read(found, rules(mapping(features=declared)))
    assert event.context == {"words": ["red", "shoes"], "query": [0.5, -2.0]}


async def test_the_lists_that_wait_are_bounded_in_memory() -> None:
    features = {
        "words": Feature("words", Place.CONTEXT, Kind.MULTI_CATEGORICAL, width=64),
        "query": Feature("query", Place.CONTEXT, Kind.EMBEDDING, width=1000),
    }
    said: dict[str, Value] = {
        "words": ("ü" * 64,) * 64, "query": tuple(n / 3 for n in range(1000)),
    }  # fmt: skip
    counts: Counter[Reported] = Counter()

    def count(outcome: Reported, number: int) -> None:
        counts[outcome] += number

    found = shown(
        AnsweredRequest(request(user_text="ada", features=said), ANSWER, ["tea"], "r-1", AT),
        features,
    )
    assert found is not None
    each = listed_bytes(found.context)
    assert 40_000 < each < 60_000
    got: list[int] = []

    def post(body: bytes) -> Receipt:
        got.append(len(json.loads(body)))
        return Receipt(got[-1], 0)

    bounds = Bounds(listed=3 * each, gather_seconds=0)
    own = Impressions(post, Origin("shop", "shop-1", "s"), 1.0, features, count, bounds)
    for number in range(5):
        asked = request(user_text="ada", features=said)
        own.add(AnsweredRequest(asked, ANSWER, ["tea"], f"r-{number}", AT))
    assert counts == {Reported.DROPPED: 2}
    own.close()
    await own.run()
    assert (sum(got), counts[Reported.DURABLE]) == (3, 3)
    own.add(AnsweredRequest(request(user_text="ada", features=said), ANSWER, ["tea"], "r-6", AT))
    assert counts[Reported.DROPPED] == 2, "there is room again"


async def test_the_lists_on_their_way_count_until_they_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features = {"query": Feature("query", Place.CONTEXT, Kind.EMBEDDING, width=10)}
    asked = request(user_text="ada", features={"query": (0.5,) * 10})
    counts: Counter[Reported] = Counter()
    sent, answered = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def count(outcome: Reported, number: int) -> None:
        counts[outcome] += number

    def post(body: bytes) -> Receipt:
        loop.call_soon_threadsafe(sent.set)
        answered.wait(60)
        return Receipt(len(json.loads(body)), 0)

    measured: list[Mapping[str, Value | bool]] = []

    def measure(of: Mapping[str, Value | bool]) -> int:
        measured.append(of)
        return listed_bytes(of)

    monkeypatch.setattr(reporter, "listed_bytes", measure)
    bounds = Bounds(listed=2 * 320, gather_seconds=0)
    own = Impressions(post, Origin("shop", "shop-1", "s"), 1.0, features, count, bounds)
    for number in range(2):
        own.add(AnsweredRequest(asked, ANSWER, ["tea"], f"r-{number}", AT))
    running = asyncio.create_task(own.run())
    try:
        await asyncio.wait_for(sent.wait(), 60)
        own.add(AnsweredRequest(asked, ANSWER, ["tea"], "r-3", AT))
    finally:
        answered.set()
        own.close()
        await running
    assert (counts[Reported.DROPPED], counts[Reported.DURABLE]) == (1, 2)
    assert len(measured) == 3, "each once, when it is added"


def test_the_memory_of_a_vector_follows_from_its_length() -> None:
    class Vector(tuple[float, ...]):
        __slots__ = ()

        def __iter__(self) -> NoReturn:
            raise AssertionError("the event loop waits for this")

    numbers: tuple[float, ...] = tuple(n / 3 for n in range(1024))
    exact = sys.getsizeof(numbers) - sys.getsizeof(()) + sum(map(sys.getsizeof, numbers))
    assert listed_bytes({"query": Vector(numbers)}) == exact


def test_the_collector_takes_the_largest_impression_that_a_declaration_allows() -> None:
    features = {
        f"f{n}": Feature(f"f{n}", Place.CONTEXT, Kind.MULTI_CATEGORICAL, width=64)
        for n in range(50)
    }
    said: dict[str, Value] = {
        name: tuple(chr(0x20000 + place) * 64 for place in range(64)) for name in features
    }
    items = [f"{place:03}" + "\u00e9" * 126 for place in range(500)]
    found = shown(
        AnsweredRequest(
            request(user_text="ada", features=said),
            ANSWER,
            items,
            "r" * 128,
            AT,
            pool=items[-1:] + [f"{place:03}p" + "\u00e9" * 125 for place in range(19)],
        ),
        features,
    )
    assert found is not None
    assert len(found.context) == 50
    ((_, body),) = bodies([(7, found)], Origin("shop", "shop-1", "shop-1/0f"), 900_000)
    assert len(body) > 900_000
    assert len(body) <= MAX_BODY
