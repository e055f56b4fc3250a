"""Readers yield every row with its line and text, including unreadable rows."""

from __future__ import annotations

import datetime
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.mapping import Format
from recommender_training.common.errors import InputError
from recommender_training.ingestion import lines, readers
from recommender_training.ingestion.mapping import Mapping
from tests.mapped_files import (
    EXTENSIONS,
    INTERACTIONS,
    START,
    declare,
    event,
    write,
)

HEADER = "user,item,at,rating\n"


def read(path: Path, kind: Format, mapping: Mapping | None = None, name: str = "interactions"):  # type: ignore[no-untyped-def]
    return pl.concat(readers.read_batches(path, kind, mapping or declare(kind), name))


def csv_rows(folder: Path, text: str | bytes, **sections: Any) -> list[tuple[Any, ...]]:
    path = folder / "a.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, Format.CSV, declare(**sections)).rows()  # type: ignore[no-any-return]


def failure(path: Path, kind: Format, mapping: Mapping | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        read(path, kind, mapping)
    return caught.value


def test_a_record_of_csv_keeps_its_text_and_the_number_of_its_first_line(tmp_path: Path) -> None:
    text = '"a,""b""\nc",10,1,5\r\n\r\né,11,2,4'
    assert csv_rows(tmp_path, "\ufeff" + HEADER + text) == [
        (2, '"a,""b""\nc",10,1,5', None, 'a,"b"\nc', "10", "1", "5"),
        (5, "é,11,2,4", None, "é", "11", "2", "4"),
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"1,2,3\n", "WrongFieldCount"),
        (b"1,2,3,4,5\n", "WrongFieldCount"),
        (b'1,"2,3,4\n', "BadQuotes"),
        (b'1,"2"2,3,4\n', "BadQuotes"),
        (b"\xff1,2,3,4\n", "NotUtf8"),
    ],
)
def test_a_broken_line_affects_no_other_line(tmp_path: Path, bad: bytes, reason: str) -> None:
    good = b"1,10,5,4\n"
    rows = csv_rows(tmp_path, HEADER.encode() + good + bad + good * 3)
    assert [row[2] for row in rows] == [None, reason, None, None, None]
    assert [row[0] for row in rows] == [2, 3, 4, 5, 6]
    assert rows[1][1] == bad.rstrip().decode(errors="backslashreplace")


@given(st.text(st.sampled_from('ab1,;"\n\r\u00e9\u2028'), max_size=60), st.booleans())
def test_no_character_of_a_csv_file_is_lost(text: str, broken: bool) -> None:
    columns = INTERACTIONS | {"columns": ["user", "item", "at", "rating"]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_bytes(b"x" + text.encode() + b"\xff\n" * broken)
        rows = read(path, Format.CSV, declare(interactions=columns))
    found = "".join(rows["row"].to_list())
    wanted = f"x{text}" + "\\xff" * broken
    assert "".join(found.split("\n")).replace("\r", "") == re.sub(r"[\r\n]", "", wanted)
    assert rows["line"].is_unique().all()


def test_an_unclosed_quote_affects_only_its_own_line(tmp_path: Path) -> None:
    many = "1,10,5,4\n" * 20_000  # more than one field may hold
    rows = csv_rows(tmp_path, HEADER + '"open,1,2,3\n' + many + '7,"8,9,1')
    assert [row[2] for row in rows].count("BadQuotes") == 2
    assert (len(rows), rows[0][2], rows[-1][2]) == (20_002, "BadQuotes", "BadQuotes")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("kind", [Format.CSV, Format.JSON_LINES])
def test_an_endless_line_is_cut_and_affects_no_other_line(
    tmp_path: Path, kind: Format, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 64)
    good = '{"user": 1, "item": 2, "at": 3, "rating": 4}'
    long = '"' + "x" * 300
    if kind is Format.CSV:
        good = "1,2,3,4"
    path = tmp_path / "a"
    head = HEADER if kind is Format.CSV else ""
    path.write_bytes((head + "\n".join([good, long, good])).replace("\n", end).encode())
    rows = read(path, kind).rows()
    assert [row[2] for row in rows] == [None, "LineTooLong", None]
    assert rows[1][1] == "x" * 63


def test_delimiter_quote_and_columns_can_be_declared(tmp_path: Path) -> None:
    rows = csv_rows(
        tmp_path,
        "'1;2';10;1;5\n",
        interactions=INTERACTIONS | {"columns": ["user", "item", "at", "rating"]},
        csv={"delimiter": ";", "quote": "'"},
    )
    assert rows == [(1, "'1;2';10;1;5", None, "1;2", "10", "1", "5")]


@pytest.mark.parametrize("kind", list(EXTENSIONS))
def test_a_missing_column_is_reported_with_the_present_ones_and_the_remedy(
    tmp_path: Path, kind: Format
) -> None:
    path = write(tmp_path / f"a.{EXTENSIONS[kind]}", [{"user": 1, "thing": 2, "at": 3, "r": 4}])
    error = failure(path, kind)
    assert error.reason == "UnknownColumns"
    for part in ("no column 'item' (item)", "'thing'", "mapping.interactions", str(path)):
        assert part in error.message


def test_a_header_with_a_duplicate_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item,at,rating,item\n")
    assert "more than once" in failure(path, Format.CSV).message


@pytest.mark.parametrize("content", [b"\xff\xfeu\x00,", b'"open'])
def test_a_file_without_a_text_header_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    error = failure(path, Format.CSV)
    assert error.reason == "UnreadableData"
    assert str(path) in error.message


@pytest.mark.parametrize("cut", [None, 30])
def test_a_truncated_or_non_parquet_file_is_refused(tmp_path: Path, cut: int | None) -> None:
    path = write(tmp_path / "a.parquet", [event(1, 2, 3)])
    path.write_bytes(b"user,item\n1,2\n" if cut is None else path.read_bytes()[:-cut])
    error = failure(path, Format.PARQUET)
    assert error.reason == "UnreadableData"
    assert "is not a readable Parquet file" in error.message


def test_missing_parquet_rows_are_detected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.parquet", [event(n, n, n) for n in range(10)])
    monkeypatch.setattr(pl.LazyFrame, "collect_batches", lambda *_, **__: iter(()))
    error = failure(path, Format.PARQUET)
    assert (error.reason, "only 0 of its 10 rows" in error.message) == ("UnreadableData", True)


def test_a_nested_parquet_column_is_reported_with_its_type(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"user": [[1]], "item": [1], "at": [1], "rating": [1]}).write_parquet(path)
    error = failure(path, Format.PARQUET)
    assert "'user' (user) has the type List(Int64)" in error.message


@pytest.mark.parametrize(
    ("line", "reason", "user"),
    [
        ('{"user": "7"}', None, "7"),
        ('{"user": 7}', None, "7"),
        ('{"user": 7.0}', None, "7.0"),
        ('{"user": 12345678901234567890}', None, "12345678901234567890"),
        ('{"user": true}', None, "true"),
        ('{"user": NaN}', None, None),
        ('{"user": null}', None, None),
        ("{}", None, None),
        ('{"user": [7]}', "WrongType", None),
        ('{"user": {"id": 7}}', "WrongType", None),
        ('{"user": "\\ud800"}', "NotUtf8", None),
        ('{"user": 7', "BadJson", None),
        ("[" * 100_000, "BadJson", None),
        ("[7]", "NotAnObject", None),
    ],
)
def test_json_lines_with_mixed_types_each_have_their_outcome(
    tmp_path: Path, line: str, reason: str | None, user: str | None
) -> None:
    good = json.dumps(event(1, 2, 3, 4))
    path = tmp_path / "a.jsonl"
    path.write_text(f"{good}\n\n{line}\n{good}\n")
    rows = read(path, Format.JSON_LINES).rows()
    assert [row[0] for row in rows] == [1, 3, 4]
    assert rows[1][1:4] == (line[:1000], reason, user)
    assert rows[2][3:] == ("1", "2", "3", "4")


def test_json_lines_without_a_line_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n\n")
    assert "has no rows" in failure(path, Format.JSON_LINES).message


def test_a_key_missing_from_all_lines_is_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.jsonl", [event(1, 2, 3)])
    mapping = declare(Format.JSON_LINES, interactions=INTERACTIONS | {"session": "sesion"})
    assert read(path, Format.JSON_LINES, mapping)["raw_session"].to_list() == [None]
    assert "no row has 'sesion' (session)" in capsys.readouterr().err


AT = datetime.datetime.fromtimestamp(START, tz=datetime.UTC)


@pytest.mark.parametrize(
    ("values", "unit", "text"),
    [
        (pl.Series([AT]), "Seconds", str(START)),
        (pl.Series([AT]), "Milliseconds", f"{START}000"),
        (pl.Series([AT]), "ISO8601", "2026-01-01T00:00:00.000000Z"),
        (pl.Series([AT.replace(tzinfo=None)]), "ISO8601", "2026-01-01T00:00:00.000000Z"),
        (pl.Series([AT]).dt.convert_time_zone("Asia/Tokyo"), "Seconds", str(START)),
        (pl.Series([AT.date()]), "ISO8601", "2026-01-01T00:00:00.000000Z"),
        (pl.Series([float(START)]), "Seconds", f"{START}.0"),
        (pl.Series([START], dtype=pl.UInt64), "Seconds", str(START)),
        (pl.Series([float("nan")]), "Seconds", None),
    ],
)
def test_a_typed_time_of_parquet_is_read_in_the_declared_unit(
    tmp_path: Path, values: pl.Series, unit: str, text: str | None
) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"user": [1], "item": [2], "at": values, "rating": [3]}).write_parquet(path)
    mapping = declare(Format.PARQUET, interactions=INTERACTIONS | {"timestampUnit": unit})
    assert read(path, Format.PARQUET, mapping)["raw_timestamp"].to_list() == [text]


@pytest.mark.parametrize("kind", list(EXTENSIONS))
def test_batches_continue_the_row_numbers(
    tmp_path: Path, kind: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "BATCH_ROWS", 4)
    path = write(tmp_path / f"a.{EXTENSIONS[kind]}", [event(n, n, n) for n in range(10)])
    batches = list(readers.read_batches(path, kind, declare(kind), "interactions"))
    assert [batch.height for batch in batches] == [4, 4, 2]
    first = 2 if kind is Format.CSV else 1
    assert pl.concat(batches)["line"].to_list() == list(range(first, first + 10))
    assert pl.concat(batches)["raw_user"].to_list() == [str(n) for n in range(10)]


def of_items(kind: Format, *features: dict[str, Any]) -> Mapping:
    return declare(kind, items={"files": "items/*", "id": "id", "features": list(features)})


@pytest.mark.parametrize("kind", [Format.CSV, Format.PARQUET])
def test_a_missing_column_of_a_feature_names_the_feature_and_the_place_of_the_mapping(
    tmp_path: Path, kind: Format
) -> None:
    path = write(tmp_path / f"a.{EXTENSIONS[kind]}", [{"id": 1, "prize": 2}])
    mapping = of_items(kind, {"name": "cost", "column": "price", "kind": "Numeric"})
    with pytest.raises(InputError) as caught:
        read(path, kind, mapping, "items")
    assert caught.value.reason == "UnknownColumns"
    for part in ("'price' (features.cost)", "'prize'", "mapping.items.features"):
        assert part in caught.value.message


LISTED: list[dict[str, Any]] = [
    {"name": "tags", "kind": "MultiCategorical"},
    {"name": "place", "kind": "Embedding", "length": 2},
    {"name": "brand", "kind": "Categorical"},
]


def listed(path: Path, kind: Format) -> list[tuple[Any, ...]]:
    fields = [f"raw_features.{name}" for name in ("tags", "place", "brand")]
    return read(path, kind, of_items(kind, *LISTED), "items").select("reason", *fields).rows()  # type: ignore[no-any-return]


def test_a_list_is_read_only_for_kinds_that_have_several_values(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "tags": ["a b", None, "c"], "place": [1, 2.5], "brand": "x"},
        {"id": 2, "tags": [], "place": [float("nan"), 1], "brand": True},
        {"id": 3, "tags": [["a"]]},
        {"id": 4, "brand": ["x"]},
    ]
    assert listed(write(tmp_path / "a.jsonl", rows), Format.JSON_LINES) == [
        (None, "a b\x1f\x1e\x1fc", "1\x1f2.5", "x"),
        (None, "", "\x1e\x1f1", "true"),
        ("WrongType", None, None, None),
        ("WrongType", None, None, None),
    ]


@pytest.mark.parametrize("kind", [pl.List(pl.Float32), pl.Array(pl.Float64, 2)])
def test_typed_lists_of_parquet_are_the_text_of_the_other_formats(
    tmp_path: Path, kind: pl.DataType
) -> None:
    frame = pl.DataFrame(
        {
            "id": [1, 2],
            "tags": [["a b", None, "c"], None],
            "place": pl.Series([[0.1, -2], [float("nan"), None]], dtype=kind),
            "brand": ["x", None],
        }
    )
    frame.write_parquet(tmp_path / "a.parquet")
    assert listed(tmp_path / "a.parquet", Format.PARQUET) == [
        (None, "a b\x1f\x1e\x1fc", "0.1\x1f-2.0", "x"),
        (None, None, "NaN\x1f\x1e", None),
    ]


@pytest.mark.parametrize(
    ("unit", "text"),
    [("Year", "1965"), ("Seconds", "-157766400"), ("ISO8601", "1965-01-01T00:00:00.000000Z")],
)
def test_a_typed_time_of_a_feature_is_read_in_its_unit(
    tmp_path: Path, unit: str, text: str
) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"id": [1], "made": [datetime.date(1965, 1, 1)]}).write_parquet(path)
    mapping = of_items(Format.PARQUET, {"name": "made", "kind": "Timestamp", "unit": unit})
    found = read(path, Format.PARQUET, mapping, "items")
    assert found["raw_features.made"].to_list() == [text]


def test_batches_with_long_embeddings_have_fewer_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "BATCH_NUMBERS", 2000)
    monkeypatch.setattr(readers, "LEAST_ROWS", 1)
    path = write(tmp_path / "a.jsonl", [{"id": n} for n in range(5)])
    long = {"name": "place", "kind": "Embedding", "length": 1000}
    batches = readers.read_batches(
        path, Format.JSON_LINES, of_items(Format.JSON_LINES, long), "items"
    )
    assert [batch.height for batch in batches] == [2, 2, 1]
