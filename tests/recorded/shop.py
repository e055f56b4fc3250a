"""A small shop with a feature of each kind, whose files the Jobs of a release read."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

DAY = 86_400
#: 2026-01-01T00:00:00Z
START = 1_767_225_600
USERS, ITEMS, ROWS = 40, 20, 1_200
#: Of the first files, and of those that come later.
DAYS, LATER = 10, 3
NOW = START + (DAYS + LATER) * DAY
#: In their order in a row.
TAGS = ("t3", "t2", "t0", "t4", "t1")

MAPPING: dict[str, Any] = {
    "interactions": {
        "files": "events/*.csv", "user": "user", "item": "item", "timestamp": "at",
        "eventType": "event",
        "eventTypes": [{"type": "view", "value": 2}, {"type": "buy", "value": 5}],
        "features": [
            {"name": "device", "kind": "Categorical", "segments": True, "fairness": True},
            {"name": "hour", "kind": "Timestamp", "column": "at", "calendar": "HourOfDay"},
            {"name": "visits", "kind": "Numeric", "bands": 4},
        ],
    },
    "users": {
        "files": "users.csv", "id": "id",
        "features": [
            {"name": "age", "kind": "Numeric", "edges": [25, 40]},
            {"name": "member", "kind": "Boolean", "coldStart": True},
            {"name": "city", "kind": "Categorical", "hashBuckets": 8},
        ],
    },
    "items": {
        "files": "items.csv", "id": "sku", "title": "name",
        "features": [
            {"name": "tags", "kind": "MultiCategorical", "separator": "|"},
            {"name": "released", "kind": "Timestamp"},
            {"name": "picture", "kind": "Embedding", "length": 3},
        ],
    },
    "ids": {"user": "Text", "item": "Text"},
}  # fmt: skip

#: What the recorded version is asked.
REQUEST: dict[str, Any] = {
    "instances": [
        {
            "user_id": "user-3", "timestamp": NOW, "top_n": 5,
            "session": [{"item": "sku-2", "timestamp": NOW - 60},
                        {"item": "sku-5", "timestamp": NOW - 5}],
            "context": {"device": "phone", "visits": 3},
        }
    ]
}  # fmt: skip


def write_first(folder: Path) -> None:
    """Write users, items and the events of the first days."""
    chance = random.Random(7)
    cities = ("Berlin", "Bonn", "Köln")
    _write(
        folder / "users.csv",
        [
            {"id": f"user-{n}", "age": chance.randint(16, 70), "member": str(n % 3 == 0).lower(),
             "city": cities[n % 3]}
            for n in range(USERS)
        ],
    )  # fmt: skip
    _write(
        folder / "items.csv",
        [
            {"sku": f"sku-{n}", "name": f"Thing {n}",
             "tags": "|".join(sorted({f"t{n % 3}", f"t{n % 5}"}, key=TAGS.index)),
             "released": START - n * 30 * DAY,
             "picture": json.dumps([round(chance.gauss(n % 3, 1), 2) for _ in range(3)])}
            for n in range(ITEMS)
        ],
    )  # fmt: skip
    _write_events(folder / "events/first.csv", chance, ROWS, START, DAYS)


def write_later(folder: Path) -> None:
    """Write the events of the days after the first ones, of another device."""
    _write_events(
        folder / "events/later.csv", random.Random(8), ROWS // 4, START + DAYS * DAY, LATER, "tv"
    )


def _write_events(
    path: Path, chance: random.Random, rows: int, start: int, days: int, device: str = "phone"
) -> None:
    times = sorted(chance.sample(range(days * DAY), rows))
    found = []
    for time in times:
        user, item = chance.randrange(USERS), chance.randrange(ITEMS)
        liked = chance.random() < (0.6 if user % 3 == item % 3 else 0.15)
        found.append({
            "user": f"user-{user}", "item": f"sku-{item}", "at": start + time,
            "event": "buy" if liked else "view",
            "device": device if chance.random() < 0.7 else "desktop",
            "visits": chance.randint(1, 9),
        })  # fmt: skip
    _write(path, found)


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
