"""Rows of the files that training reads."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from recommender_collector.domain.events import Event, Explored, Exposure
from recommender_collector.domain.file_rows import archive_line, interaction_rows, is_row_of
from recommender_contract.events import Kind
from tests.unit.recommender_collector.collector_samples import mapping, model

AT = 1_795_000_000_123
EVENT = Event("e1", Kind.CLICK, "ada", ("tea",), AT, 9.0, "r", "s", None, {"device": "phone"})


def _rows(event: Event, **changes: Any) -> list[Any]:
    return [orjson.loads(line) for line in interaction_rows(event, model(mapping(**changes)))]


def test_a_row_has_the_columns_of_the_mapping() -> None:
    assert _rows(EVENT) == [
        {
            "user_id": "ada", "item_id": "tea", "time": AT, "rating": 3.0, "kind": "click",
            "visit": "s", "device": "phone", "pos": None, "logged_in": None,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("unit", "time"),
    [
        ("Seconds", AT // 1000),
        ("Milliseconds", AT),
        ("Microseconds", AT * 1000),
        ("ISO8601", "2026-11-18T11:06:40.123Z"),
    ],
)
def test_times_have_the_unit_of_the_mapping(unit: str, time: object) -> None:
    assert _rows(EVENT, timestampUnit=unit)[0]["time"] == time


def test_the_own_value_counts_where_the_type_has_none() -> None:
    dwell = EVENT._replace(kind=Kind.DWELL, value=12.5)
    assert _rows(dwell)[0]["rating"] == 12.5
    assert _rows(dwell._replace(value=None)) == []


@pytest.mark.parametrize("kind", [Kind.IMPRESSION, Kind.SEARCH, Kind.VISIT, Kind.DISLIKE])
def test_other_kinds_are_no_interactions(kind: Kind) -> None:
    assert _rows(EVENT._replace(kind=kind)) == []


IMPRESSION = EVENT._replace(kind=Kind.IMPRESSION, items=("tea", "cup", "pot"))
SHOWN = [{"type": "impression", "value": 1}, {"type": "click", "value": 3}]


def _positions(event: Event, **feature: Any) -> list[Any]:
    declared = {"name": "position", "kind": "Numeric", "servedAs": "1", **feature}
    rows = _rows(event, eventTypes=SHOWN, features=[declared])
    return [row[declared.get("column") or "position"] for row in rows]


@pytest.mark.parametrize(
    ("feature", "positions"),
    [
        ({}, [1, 2, 3]),
        ({"column": "slot"}, [1, 2, 3]),
        ({"kind": "Categorical"}, ["1", "2", "3"]),
        ({"servedAs": None}, [None] * 3),
    ],
)
def test_items_of_an_impression_have_their_place_where_it_is_declared(
    feature: dict[str, Any], positions: list[Any]
) -> None:
    assert _positions(IMPRESSION, **feature) == positions


def test_a_place_that_the_event_states_counts_and_acts_have_none() -> None:
    assert _positions(IMPRESSION._replace(context={"position": 7})) == [7, 7, 7]
    assert _positions(EVENT) == [None]


def test_an_event_is_archived_whole() -> None:
    assert orjson.loads(archive_line(EVENT)) == {
        "id": "e1", "kind": "click", "user": "ada", "items": ["tea"], "value": 9.0,
        "time": "2026-11-18T11:06:40.123Z", "request": "r", "session": "s",
        "context": {"device": "phone"},
    }  # fmt: skip


def test_the_archive_has_what_was_explored_as_it_came() -> None:
    row = orjson.loads(archive_line(EVENT._replace(explored=Explored(0, ("cup", "tea")))))
    assert row == orjson.loads(archive_line(EVENT)) | {
        "explored": {"place": 0, "pool": ["cup", "tea"]}
    }


def test_the_rows_of_a_user_are_found_by_the_id_alone() -> None:
    assert is_row_of(b'{"user":"ada"}', "user", {"ada"})
    assert not is_row_of(b'{"user":"eve","item":"ada"}', "user", {"ada"})
    assert not is_row_of(b'{"user":"adam"}', "user", {"ada"})
    assert not is_row_of(b'{"user":5}', "user", {"5"})


def test_the_archive_has_the_parts_of_an_exposure_as_fields() -> None:
    exposure = Exposure("0a1b2c3d", 2, "shop-a", 10.0, (("device", "phone"),))
    row = orjson.loads(archive_line(EVENT._replace(exposure=exposure)))
    expected = exposure._asdict() | {"segments": {"device": "phone"}}
    assert {name: row[name] for name in Exposure._fields} == expected
    assert row.keys() == orjson.loads(archive_line(EVENT)).keys() | set(Exposure._fields)
