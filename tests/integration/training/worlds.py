"""Logs at the edges of what a shop may have: rows of its tables, and a mapping of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.mapped_files import START, Row, event

ROWS, USERS, ITEMS = 400, 30, 20
BEGIN = START - 60 * 86_400
#: The largest id that the reader takes.
LAST_ID = 10**18 - 1
VIEW_BUY: list[dict[str, Any]] = [{"type": "view", "value": 2}, {"type": "buy", "value": 5}]
NEGATIVES = {
    "positiveTypes": [{"type": "buy"}],
    "negatives": {"perPositive": 2},
    "positiveRate": 0.1,
}


@dataclass(frozen=True)
class World:
    """Rows by table, and the mapping's sections beside the usual ones."""

    events: list[Row]
    users: list[Row] = field(default_factory=list)
    items: list[Row] = field(default_factory=list)
    #: Of the mapping: sections that replace the usual ones, and fields of the interactions.
    sections: Mapping[str, Any] = field(default_factory=dict)
    interactions: Mapping[str, Any] = field(default_factory=dict)


def log(
    seed: int = 0, rows: int = ROWS, users: int = USERS, items: int = ITEMS, rating: Any = None
) -> list[Row]:
    """Events of random users and items, with values by taste or all with the same `rating`."""
    random = np.random.default_rng(seed)
    who, what = random.integers(0, users, rows), random.integers(0, items, rows)
    at = np.sort(random.choice(60 * 86_400, rows, replace=False)) + BEGIN
    liked = random.random(rows) < 0.2 + 0.6 * ((who + what) % 3 == 0)
    return [
        event(int(user), int(item), int(time), (5 if yes else 2) if rating is None else rating)
        for user, item, time, yes in zip(who, what, at, liked, strict=True)
    ]


def edited(change: Callable[[int, dict[str, Any]], Mapping[str, Any]], **sizes: Any) -> list[Row]:
    """The usual log with fields changed by number and row."""
    return [{**row, **change(number, dict(row))} for number, row in enumerate(log(**sizes))]


def typed(events: list[Row], positive: Callable[[int], bool]) -> list[Row]:
    """The events with a type in place of a value: `buy` where they are positive."""
    return [
        {"user": row["user"], "item": row["item"], "at": row["at"],
         "event": "buy" if positive(number) else "view"}
        for number, row in enumerate(events)
    ]  # fmt: skip


TYPES = {"value": None, "eventType": "event", "eventTypes": VIEW_BUY}


def described(value: Callable[[str, int], Any], **sections: Any) -> World:
    """Features of every kind in every table, each with `value(column, row)`."""
    kinds: list[dict[str, Any]] = [
        {"name": "tier", "kind": "Categorical", "fairness": True},
        {"name": "flag", "kind": "Boolean"},
        {"name": "price", "kind": "Numeric"},
        {"name": "since", "kind": "Timestamp"},
        {"name": "tags", "kind": "MultiCategorical", "separator": "|"},
        {"name": "vector", "kind": "Embedding", "length": 3},
    ]
    names = [str(kind["name"]) for kind in kinds]

    def of(table: str) -> list[dict[str, Any]]:
        return [
            {**kind, "name": f"{table}_{kind['name']}", "column": kind["name"]} for kind in kinds
        ]

    def filled(row: Mapping[str, Any], number: int) -> dict[str, Any]:
        return {**row, **{name: value(name, number) for name in names}}

    return World(
        [filled(row, number) for number, row in enumerate(log())],
        [filled({"id": number}, number) for number in range(USERS)],
        [filled({"id": number}, number) for number in range(ITEMS)],
        {
            "users": {"files": "users.csv", "id": "id", "features": of("user")},
            "items": {"files": "items.csv", "id": "id", "features": of("item")},
            **sections,
        },
        {"features": of("context")},
    )


CONSTANT = {"tier": "a", "flag": "true", "price": 9.5, "since": BEGIN, "tags": "a|b",
            "vector": "[1, 2, 3]"}  # fmt: skip


def huge(name: str, number: int) -> Any:
    """Numbers at the bounds of the reader, of both signs."""
    sign = 1 if number % 2 else -1
    return {
        "tier": "x" * 64,
        "flag": str(number % 2 == 0).lower(),
        "price": sign * 1e15,
        "since": 0 if number % 2 else START,
        "tags": "|".join(f"t{number}-{each}" for each in range(16)),
        "vector": str([sign * 1e30, 0.0, 1e-30]),
    }[name]


def once() -> list[Row]:
    """One event a user, items as usual."""
    return edited(lambda number, _: {"user": number})


def positive_at(*places: float) -> list[Row]:
    """No positive event but at these parts of the log."""
    wanted = {int(place * ROWS) for place in places}
    return edited(lambda number, _: {"rating": 5 if number in wanted else 1})


def long_sessions() -> list[Row]:
    """Three users with a thousand events each, a second apart."""
    random = np.random.default_rng(1)
    return [
        event(user, int(random.integers(0, 1000)), BEGIN + user * 86_400 + second,
              int(random.integers(1, 6)))
        for user in range(3)
        for second in range(1000)
    ]  # fmt: skip


WORLDS: dict[str, Callable[[], World]] = {
    "usual": lambda: World(log()),
    "all positive": lambda: World(log(rating=5)),
    "no positive": lambda: World(log(rating=1)),
    "one positive": lambda: World(positive_at(0.5)),
    "one positive a window": lambda: World(positive_at(0.5, 0.85, 0.95)),
    "one negative a window": lambda: World(
        edited(lambda number, _: {"rating": 1 if number in (200, 340, 380) else 5})
    ),
    "one user": lambda: World(edited(lambda *_: {"user": 7})),
    "one item": lambda: World(edited(lambda *_: {"item": 7})),
    "one user and one item": lambda: World(edited(lambda *_: {"user": 7, "item": 7})),
    "one second": lambda: World(
        edited(lambda number, _: {"at": BEGIN, "user": number // ITEMS, "item": number % ITEMS})
    ),
    "a second for each window": lambda: World(
        edited(lambda number, _: {"at": BEGIN + (number > 330) + (number > 370), "user": number})
    ),
    "eleven rows": lambda: World(log(rows=11, rating=None, seed=3)),
    "five rows": lambda: World(log(rows=5)),
    "one row": lambda: World(log(rows=1)),
    "one event a user": lambda: World(once()),
    "one event a user and item": lambda: World(
        edited(lambda number, _: {"user": number, "item": number})
    ),
    "new users and items all the time": lambda: World(
        edited(lambda number, _: {"user": number // 10, "item": number // 10})
    ),
    "constant features": lambda: described(lambda name, _: CONSTANT[name]),
    "nulls everywhere": lambda: described(lambda *_: ""),
    "one value a feature": lambda: described(
        lambda name, number: CONSTANT[name] if number == 3 else ""
    ),
    "huge values": lambda: described(huge),
    "sessions of a thousand items": lambda: World(long_sessions()),
    "ids at the bounds": lambda: World(
        edited(lambda _, row: {"user": LAST_ID - row["user"] if row["user"] else 0,
                               "item": LAST_ID - row["item"] if row["item"] else 0})
    ),
    "texts as ids": lambda: World(
        edited(lambda _, row: {"user": f"ü {row['user']}:\"'|", "item": f"{row['item']:060}"}),
        sections={"ids": {"user": "Text", "item": "Text"}},
    ),
    "positives alone": lambda: World(typed(log(), lambda _: True), interactions=TYPES),
    "positives alone, with negatives": lambda: World(
        typed(log(), lambda _: True), interactions=TYPES, sections={"label": NEGATIVES}
    ),
    "positives alone, uniform negatives": lambda: World(
        typed(log(), lambda _: True), interactions=TYPES,
        sections={"label": {**NEGATIVES, "negatives": {"by": "Uniform"}}},
    ),
    "positives of one item, with negatives": lambda: World(
        typed(edited(lambda *_: {"item": 7}), lambda _: True),
        interactions=TYPES, sections={"label": NEGATIVES},
    ),
    "positives of one user, with negatives": lambda: World(
        typed(edited(lambda *_: {"user": 7}), lambda _: True),
        interactions=TYPES, sections={"label": NEGATIVES},
    ),
    "no positive, with negatives": lambda: World(
        typed(log(), lambda _: False), interactions=TYPES, sections={"label": NEGATIVES}
    ),
    "impressions without purchases": lambda: World(
        typed(log(), lambda _: False), interactions=TYPES,
        sections={"label": {"positiveTypes": [{"type": "buy"}],
                            "attribution": {"impressions": ["view"], "hours": 1}}},
    ),
    "a window of attribution longer than the log": lambda: World(
        typed(log(), lambda number: number % 4 == 0), interactions=TYPES,
        sections={"label": {"positiveTypes": [{"type": "buy"}],
                            "attribution": {"impressions": ["view"], "hours": 2160}}},
    ),
    "purchases without impressions": lambda: World(
        typed(log(), lambda _: True), interactions=TYPES,
        sections={"label": {"positiveTypes": [{"type": "buy"}],
                            "attribution": {"impressions": ["view"], "hours": 1}}},
    ),
    "shown items and clicks in one column": lambda: World(
        edited(lambda number, row: {"clicked": int(number % 4 == 0), "at": row["at"] // 60 * 60}),
        interactions={"value": None, "eventType": "clicked",
                      "eventTypes": [{"type": "0", "value": 2}, {"type": "1", "value": 5}]},
        sections={"label": {"positiveTypes": [{"type": "1"}],
                            "attribution": {"impressions": ["0", "1"], "hours": 0.001}}},
    ),
    "every event twice": lambda: World([row for row in log() for _ in range(2)]),
    "users and items without events": lambda: World(
        log(),
        [{"id": number + 1000, "tier": "a"} for number in range(9)],
        [{"id": number + 1000, "tier": "a"} for number in range(9)],
        {table: {"files": f"{table}.csv", "id": "id",
                 "features": [{"name": f"{table[0]}_tier", "column": "tier",
                               "kind": "Categorical", "fairness": True}]}
         for table in ("users", "items")},
    ),
    "items that change after their last event": lambda: World(
        log(), items=[{"id": number, "price": number, "from": START} for number in range(ITEMS)],
        sections={"items": {"files": "items.csv", "id": "id", "validFrom": "from",
                            "features": [{"name": "price", "kind": "Numeric"}]}},
    ),
    "times at the bounds": lambda: World(
        edited(lambda number, row: {"at": number if number < 200 else row["at"]})
    ),
}  # fmt: skip
