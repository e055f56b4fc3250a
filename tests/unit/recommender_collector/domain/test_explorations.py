"""The place of an impression that was drawn by chance."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.events import Explored
from recommender_collector.domain.pseudonyms import Pseudonyms
from recommender_collector.domain.validation import Rules, event_of
from tests.unit.recommender_collector.collector_samples import MAPPING, NOW, click, model, rules

SHOWN = {"id": "e1", "kind": "impression", "user": "ada", "items": ["tea", "oil"]}


def explored(place: object, pool: object, **more: object) -> dict[str, Any]:
    return {**SHOWN, "explored": {"place": place, "pool": pool, **more}}


def test_what_was_explored_is_kept() -> None:
    event = event_of(explored(1, ["cup", "oil"]), rules(), NOW)
    assert event.explored == Explored(1, ("cup", "oil"))
    assert event_of({**SHOWN, "explored": None}, rules(), NOW).explored is None


@pytest.mark.parametrize("size", [2, 20])
def test_a_pool_has_two_to_twenty_items(size: int) -> None:
    pool = ["oil", *(f"i{place}" for place in range(size - 1))]
    assert event_of(explored(1, pool), rules(), NOW).explored == Explored(1, tuple(pool))


@pytest.mark.parametrize(
    ("field", "raw"),
    [
        ("explored", {**SHOWN, "explored": True}),
        ("explored", {**SHOWN, "explored": []}),
        ("explored", {**SHOWN, "explored": {}}),
        ("explored", {**SHOWN, "explored": {"place": 1}}),
        ("explored", explored(1, ["cup", "oil"], propensity=0.5)),
        ("explored", click(explored={"place": 0, "pool": ["tea", "cup"]})),
        ("explored.place", explored(-1, ["cup", "oil"])),
        ("explored.place", explored(2, ["cup", "oil"])),
        ("explored.place", explored("1", ["cup", "oil"])),
        ("explored.place", explored(1.0, ["cup", "oil"])),
        ("explored.place", explored(True, ["cup", "oil"])),
        ("explored.place", explored(None, ["cup", "oil"])),
        ("explored.place", explored(0, ["a", "b"]) | {"items": [], "experiment": "0a1b2c3d"}),
        ("explored.pool", explored(1, None)),
        ("explored.pool", explored(1, "oil")),
        ("explored.pool", explored(1, ["oil"])),
        ("explored.pool", explored(1, ["oil", *map(str, range(20))])),
        ("explored.pool", explored(1, ["oil", "oil"])),
        ("explored.pool", explored(1, ["tea", "cup"])),
        ("explored.pool", explored(1, ["tea", "oil"])),
        ("explored.pool", explored(0, ["tea", "oil"])),
        ("explored.pool", explored(0, ["tea", "cup"]) | {"items": ["tea", "tea"]}),
        ("explored.pool[1]", explored(1, ["oil", 7])),
        ("explored.pool[0]", explored(1, ["", "oil"])),
        ("explored.pool[0]", explored(1, ["a" * 257, "oil"])),
    ],
)
def test_a_wrong_exploration_names_the_part_the_value_and_the_remedy(
    field: str, raw: dict[str, Any]
) -> None:
    if raw.get("experiment"):
        raw = raw | {"phase": 1, "arm": "shop-a", "cap": 9}
    with pytest.raises(InvalidEvent) as caught:
        event_of(raw, rules(), NOW)
    assert caught.value.field == field
    assert len(str(caught.value).partition("; ")[2]) > 10
    assert len(str(caught.value)) < 400


def test_the_items_of_a_pool_are_numbers_where_items_are() -> None:
    numbers = rules({**MAPPING, "ids": {"user": "Text", "item": "Integer"}})
    event = event_of(explored(0, [7, 5]) | {"items": [5]}, numbers, NOW)
    assert event.explored == Explored(0, (7, 5))
    with pytest.raises(InvalidEvent, match=r"explored.pool\[0\]"):
        event_of(explored(0, [True, 5]) | {"items": [5]}, numbers, NOW)


def test_items_of_a_pool_stay_as_they_are_where_users_are_hashed() -> None:
    hashing = Rules(model(hashUsers=True), Pseudonyms(b"0123456789abcdef"))
    event = event_of(explored(1, ["cup", "oil"]), hashing, NOW)
    assert (event.items, event.explored) == (("tea", "oil"), Explored(1, ("cup", "oil")))
    assert event.user != "ada"
