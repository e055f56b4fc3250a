"""Every raw row is parsed or quarantined with a reason; none is dropped silently."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender_training.common.errors import InputError
from recommender_training.data import schema
from recommender_training.ingestion import raw

USERS = ["1\t24\tM\tstudent\t1", "2\t40\tF\twriter\t2", "3\t\t\t\t"]
ITEMS = ["10\tOne\t1995\tDrama War", '11\tTwo, "quoted" é\t\t']
ROWS = ["1\t10\t5\t880000000", "2\t11\t3\t880000001"]


def write(
    folder: Path,
    rows: list[str],
    *,
    users: list[str] = USERS,
    items: list[str] = ITEMS,
    name: str = "a",
) -> Path:
    folder.mkdir(exist_ok=True)
    for table, lines in (
        (raw.INTERACTIONS, rows),
        (raw.USERS, users),
        (raw.ITEMS, items),
    ):
        text = "\n".join(["\t".join(table.columns), *lines, ""])
        (folder / f"{name}{table.suffix}").write_text(text, encoding="utf-8")
    return folder


def test_good_rows_are_parsed_with_types_and_segment(tmp_path: Path) -> None:
    data = raw.read_source(write(tmp_path / "in", ROWS))
    assert data.quarantine.height == 0
    assert data.interactions.rows() == [
        (1, 10, 5.0, 880000000, "1997-11-20", "18-24", None, None),
        (2, 11, 3.0, 880000001, "1997-11-20", "35-44", None, None),
    ]
    assert data.users.row(0) == (1, 24.0, "M", "student", "18-24")
    assert data.users.row(2) == (3, None, None, None, "unknown")
    assert data.items.row(0) == (10, "One", "Drama War", 788_918_400)  # 1995-01-01
    assert data.items.row(1) == (11, 'Two, "quoted" é', None, None)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1\t10\t5", "WrongFieldCount"),
        ("1\t10\t5\t880000000\tx", "WrongFieldCount"),
        ("x\t10\t5\t880000000", "BadUserId"),
        ("-1\t10\t5\t880000000", "BadUserId"),
        ("99999999999999999999\t10\t5\t880000000", "BadUserId"),
        ("1\tten\t5\t880000000", "BadItemId"),
        ("1\t10\t\t880000000", "BadRating"),
        ("1\t10\tNaN\t880000000", "BadRating"),
        ("1\t10\t6\t880000000", "BadRating"),
        ("1\t10\t5\t880000000000", "BadTimestamp"),
        ("1\t10\t5\t-3", "BadTimestamp"),
        ("1\t10\t5\tyesterday", "BadTimestamp"),
        ("7\t10\t5\t880000000", "UnknownUser"),
        ("1\t77\t5\t880000000", "UnknownItem"),
        (ROWS[0], "DuplicateRow"),
    ],
)
def test_a_bad_row_is_quarantined_with_its_reason(tmp_path: Path, row: str, reason: str) -> None:
    data = raw.read_source(write(tmp_path / "in", [*ROWS, row]))
    assert data.interactions.height == 2
    assert data.quarantine.to_dicts() == [
        {
            "table": "interactions",
            "file": "a.inter",
            "line": 4,
            "row": row,
            "reason": reason,
            "schema_hash": raw.INTERACTIONS.schema_hash,
        }
    ]


def test_bad_users_and_items_are_quarantined_too(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "in", ROWS, users=[*USERS, "4\told\tM\tx\t1"], items=[*ITEMS, "x\tT\t1\tWar"]
    )
    found = raw.read_source(folder).quarantine
    assert dict(found.select("table", "reason").rows()) == {
        "users": "BadFeature:age",
        "items": "BadItemId",
    }


def test_the_tables_have_the_columns_of_the_shipped_declaration(tmp_path: Path) -> None:
    data = raw.read_source(write(tmp_path / "in", ROWS))
    for name, columns in schema.tables(raw.declaration()).items():
        assert getattr(data, name).schema == columns


def test_all_files_of_a_kind_are_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", ROWS[:1])
    write(folder, ROWS[1:], name="b")
    assert raw.read_source(folder).interactions.height == 2


FIELD = st.sampled_from(
    ["1", "2", "10", "11", "5", "880000000", "", "x", "-1", "1e3", "９", " 1 "]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(FIELD, min_size=1, max_size=6).map("\t".join), max_size=12))
def test_parsed_and_quarantined_rows_are_all_rows(tmp_path: Path, rows: list[str]) -> None:
    data = raw.read_source(write(tmp_path / "in", rows))
    assert data.interactions.height + data.quarantine.height == len([row for row in rows if row])
    given = data.interactions.drop("event_type", "session_id")
    assert given.null_count().sum_horizontal().item() == 0


@pytest.mark.parametrize(
    ("change", "reason", "named"),
    [
        (lambda folder: (folder / "a.item").unlink(), "DataMissing", "*.item"),
        (
            lambda folder: (folder / "a.inter").write_bytes(b"\xff\xfe\x00"),
            "UnreadableData",
            "a.inter",
        ),
        (lambda folder: (folder / "a.user").write_text(""), "UnreadableData", "a.user"),
        (
            lambda folder: (folder / "a.inter").write_text("user_id:token\tclicks:float\n"),
            "UnknownColumns",
            "clicks:float",
        ),
    ],
)
def test_an_unreadable_source_is_named(tmp_path: Path, change, reason, named) -> None:  # type: ignore[no-untyped-def]
    folder = write(tmp_path / "in", ROWS)
    change(folder)
    with pytest.raises(InputError) as caught:
        raw.read_source(folder)
    assert caught.value.reason == reason
    assert named in caught.value.message
