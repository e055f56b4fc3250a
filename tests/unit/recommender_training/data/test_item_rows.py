"""Tables of items that gain or lose a history, and rows whose times are close together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recommender_training.data import lake, load
from tests.mapped_files import START, check, declare, event, write
from tests.mapped_files import table as lake_table

ITEMS: dict[str, Any] = {
    "files": "items/*", "id": "id", "validFrom": "since",
    "features": [{"name": "price", "kind": "Numeric", "edges": [10]}],
}  # fmt: skip
USERS: dict[str, Any] = {
    "files": "users/*", "id": "id",
    "features": [{"name": "tier", "kind": "Categorical", "fairness": True}],
}  # fmt: skip


def item(number: int, since: Any, price: float, **more: Any) -> dict[str, Any]:
    return {"id": number, "since": since, "price": price, **more}


def bands(lake: Path, version: str) -> list[int]:
    """The band of the price at each event, in the order of their times; -1 unknown."""
    _, found = load.load(lake, version, None)
    known, rows = found.items.at(found.events.item, found.events.time)
    return [int(code) for code in known.first[0][rows]]


def plain() -> Any:
    return declare(items={name: value for name, value in ITEMS.items() if name != "validFrom"})


def test_values_that_were_stored_without_a_time_are_not_known_of_the_past(tmp_path: Path) -> None:
    source, lake = tmp_path / "raw", tmp_path / "lake"
    write(source / "items" / "one.csv", [item(5, START, 20), item(7, START, 20)])
    write(source / "events" / "one.csv", [event(1, 5, START + 1), event(1, 5, START + 60)])
    before = check(source, lake, plain()).data_version
    write(source / "items" / "one.csv", [item(5, START + 50, 8)])
    found = check(source, lake, declare(items=ITEMS))
    assert bands(lake, found.data_version) == [-1, 0]
    _, known = load.load(lake, found.data_version, None)
    assert known.items.ids.tolist() == [5, 7]  # ids stay
    assert bands(lake, before) == [1, 1]


@pytest.mark.parametrize("first", [True, False])
def test_a_table_can_gain_or_lose_its_history_where_nothing_else_changes(
    first: bool, tmp_path: Path
) -> None:
    source, lake = tmp_path / "raw", tmp_path / "lake"
    write(source / "items" / "one.csv", [item(5, START, 20), item(5, START + 9, 8)])
    write(source / "events" / "one.csv", [event(1, 5, START + 1), event(1, 5, START + 60)])
    one, other = [plain(), declare(items=ITEMS)][:: 1 if first else -1]
    check(source, lake, one)
    found = check(source, lake, other)
    assert bands(lake, found.data_version) == ([1, 0] if first else [0, 0])


def test_a_lost_history_leaves_the_newest_row_of_each_item_in_whatever_order(
    tmp_path: Path,
) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    write(source / "items" / "one.csv", [item(5, START, 8), item(5, START + 9, 20)])
    write(source / "events" / "one.csv", [event(1, 5, START + 1)])
    check(source, path, declare(items=ITEMS))
    lake.overwrite(path, "items", lake_table(path, "items").sort("valid_from", descending=True))
    write(source / "items" / "one.csv", [item(6, START, 8)])
    _, known = load.load(path, check(source, path, plain()).data_version, None)
    assert known.items.first[0].tolist() == [1, 0]


def test_segments_of_users_that_were_stored_without_a_time_are_not_known_of_the_past(
    tmp_path: Path,
) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    write(source / "users" / "one.csv", [{"id": 1, "since": START + 50, "tier": "gold"}])
    write(source / "events" / "one.csv", [event(1, 5, START)])
    check(source, path, declare(users=USERS))
    write(source / "events" / "two.csv", [event(1, 5, START + 1), event(1, 5, START + 60)])
    found = check(source, path, declare(users=USERS | {"validFrom": "since"}))
    segments = lake_table(path, "interactions").sort("timestamp")["segment"].to_list()
    assert segments == ["gold", "unknown", "gold"]  # that of an event stays as it was stored
    _, known = load.load(path, found.data_version, None)
    assert known.side_of_events(known.events.rows)[:, 0].tolist()[2] == 0.0
    assert lake_table(path, "users")["segment"].to_list() == ["unknown", "gold"]
