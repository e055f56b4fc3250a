"""In every format, each row is a new event, a known event, or quarantined."""

from __future__ import annotations

import datetime
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.mapping import Format
from recommender_training.common.errors import InputError
from recommender_training.data import lake
from tests.mapped_files import (
    EVENTS,
    EXTENSIONS,
    START,
    check,
    declare,
    table,
    write,
)

MAPPING = {**EVENTS, "timestamp": "at", "timestampUnit": "ISO8601"}
TEXT = st.sampled_from(
    ["", " ", "a,b", 'say "hi"', '"', "'", "é\u00fc", "日本", "two\nlines", "tab\there", "-1",
     "1e3", "９", "7.0", "007", "null", "true", "\u2028", "\\"]
)  # fmt: skip
TIME = st.one_of(
    st.integers(0, 80).map(
        lambda hours: datetime.datetime.fromtimestamp(START + 3600 * hours, tz=datetime.UTC)
        .isoformat()
    ),
    st.sampled_from(["2026-01-01", "2026-01-01T01:00:00+01:00", "2099-01-01", "2026-13-01"]),
    TEXT,
)  # fmt: skip
NUMBER = st.sampled_from(["1", "2", "3"])
ROW = st.fixed_dictionaries(
    {
        "user": st.one_of(NUMBER, NUMBER, NUMBER, TEXT),
        "item": st.one_of(NUMBER, NUMBER, NUMBER, TEXT),
        "at": TIME,
        "rating": st.one_of(st.none(), st.sampled_from(["1", "4.5", "5", "6"]), TEXT),
        "event": st.one_of(st.sampled_from(["view", "buy"]), TEXT),
        "session": st.one_of(st.none(), TEXT),
        "segment": st.one_of(st.none(), st.sampled_from(["gold", "new one"])),
    }
)


def outcome(source: Path, path: Path, kind: Format) -> dict[str, Any]:
    """All that the lake holds of the rows, but not how each format writes a row."""
    mapping = declare(kind, interactions=MAPPING)
    try:
        result = check(source, path, mapping, kind)
        facts: dict[str, Any] = {"version": result.data_version, "new": result.new_rows}
    except InputError as error:
        facts = {"reason": error.reason}
    facts["events"] = lake.sort("interactions", table(path, "interactions")).rows()
    bad = table(path, "quarantine")
    number = pl.col("line").rank("dense") if kind is Format.CSV else pl.col("line")
    facts["reasons"] = sorted(bad["reason"].to_list())
    facts["bad"] = bad.select(number).height
    facts["notes"] = table(path, "batches").select(pl.exclude("batch", "schema_hash", "file"))
    return facts


@given(st.lists(ROW, min_size=1, max_size=25))
def test_all_formats_give_the_same_tables_without_losing_a_row(rows: list[dict[str, Any]]) -> None:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, end in EXTENSIONS.items():
            source, path = Path(folder, end, "raw"), Path(folder, end, "lake")
            write(source / f"events/a.{end}", rows)
            found[kind] = outcome(source, path, kind)
            notes = found[kind].pop("notes")
            events, bad = len(found[kind]["events"]), found[kind]["bad"]
            assert events + bad == len(rows)
            assert notes.rows() == [(len(rows), events, 0, bad)]
    assert found[Format.CSV] == found[Format.JSON_LINES] == found[Format.PARQUET]


@given(st.lists(ROW, min_size=1, max_size=12), st.lists(ROW, min_size=1, max_size=12))
def test_consecutive_files_lose_no_row(
    first: list[dict[str, Any]], second: list[dict[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, path = Path(folder, "raw"), Path(folder, "lake")
        for name, rows in (("a", first), ("b", [*second, *first])):
            write(source / f"events/{name}.jsonl", rows)
            before = table(path, "interactions")
            outcome(source, path, Format.JSON_LINES)
        notes = (
            table(path, "batches")
            .sort("file")
            .select("rows", "new_rows", "known_rows", "quarantined_rows")
        )
        assert notes["rows"].to_list() == [len(first), len(first) + len(second)]
        for rows, new, known, bad in notes.rows():
            assert new + known + bad == rows
        assert table(path, "quarantine").height == notes["quarantined_rows"].sum()
        after = table(path, "interactions")
        assert after.height == notes["new_rows"].sum()
        assert before.join(after, on=before.columns, how="anti", nulls_equal=True).height == 0
