"""Each data file of a Delta table is read once, even if the table changes later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from recommender_contract.resource.mapping import Format
from recommender_training.common.errors import InputError
from recommender_training.ingestion import parquet_reader, source_files
from tests.mapped_files import (
    INTERACTIONS,
    START,
    check,
    declare,
    event,
    reasons,
    table,
)

EVENTS: dict[str, Any] = {**INTERACTIONS, "files": "events"}
AGE = {"name": "age", "kind": "Numeric", "column": "years"}
MAPPING = declare(Format.DELTA, interactions=EVENTS)


def collect(path: Path, *rows: dict[str, Any], **options: Any) -> DeltaTable:
    """Append rows as a collector does, in a data file of their own."""
    frame = pl.DataFrame(list(rows)).with_columns(pl.col(pl.Null).cast(pl.String))
    write_deltalake(str(path), frame, mode="append", **options)
    return DeltaTable(str(path))


def failure(source: Path, lake: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        check(source, lake, MAPPING, Format.DELTA)
    return caught.value


def test_only_new_data_files_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, lake = tmp_path / "raw", tmp_path / "lake"
    collect(source / "events", event(1, 10, START), event(2, 10, START + 5, 9))
    first = check(source, lake, MAPPING, Format.DELTA)
    assert (first.new_rows, first.quarantined_rows, reasons(lake)) == (1, 1, {"BadValue": 1})
    collect(source / "events", event(3, 11, START + 9))
    opened: list[Path] = []
    read = parquet_reader.read_parquet

    def spy(path: Path, *rest: Any) -> Iterator[pl.DataFrame]:
        opened.append(path)
        return read(path, *rest)

    monkeypatch.setattr(parquet_reader, "read_parquet", spy)
    second = check(source, lake, MAPPING, Format.DELTA)
    assert (second.new_rows, second.rows, len(opened)) == (1, 2, 1)
    again = check(source, lake, MAPPING, Format.DELTA)
    assert (again.data_version, len(opened)) == (second.data_version, 1)
    assert again.quarantined_rows == 1
    batches = table(lake, "batches")
    assert batches["file"].str.starts_with("events/").all()
    assert sorted(batches.select("rows", "new_rows").rows()) == [(1, 1), (2, 1)]


def test_rows_in_rewritten_files_are_known_events(tmp_path: Path) -> None:
    """Its own compaction puts the same rows into files of other names."""
    source, lake = tmp_path / "raw", tmp_path / "lake"
    for user in range(3):
        events = collect(source / "events", event(user, 10, START + user))
    first = check(source, lake, MAPPING, Format.DELTA)
    assert first.new_rows == 3
    events.optimize.compact()
    second = check(source, lake, MAPPING, Format.DELTA)
    assert (second.new_rows, second.data_version) == (0, first.data_version)
    assert sorted(table(lake, "batches")["known_rows"].to_list()) == [0, 0, 0, 3]


def test_partition_columns_and_later_columns_are_read(tmp_path: Path) -> None:
    source, lake = tmp_path / "raw", tmp_path / "lake"
    place = {"partition_by": ["shop"], "schema_mode": "merge"}
    collect(source / "events", event(1, 10, START, shop="a b/ü"), **place)
    collect(source / "events", event(2, 10, START + 1, shop=None, visit="v-1"), **place)
    mapping = declare(Format.DELTA, interactions={**EVENTS, "segment": "shop", "session": "visit"})
    assert check(source, lake, mapping, Format.DELTA).new_rows == 2
    found = table(lake, "interactions").sort("user_id").select("segment", "session_id").rows()
    assert found == [("a b/ü", None), ("unknown", "v-1")]


def test_several_tables_match_one_pattern_and_the_newest_attributes_count(tmp_path: Path) -> None:
    source, lake = tmp_path / "raw", tmp_path / "lake"
    for name, user in (("events/eu", 1), ("events/us", 2), ("events/_draft", 3)):
        collect(source / name, event(user, 10, START))
    for age in (20, 30, 40):
        collect(source / "people", {"id": 1, "years": age})
    mapping = declare(
        Format.DELTA,
        interactions={**EVENTS, "files": "events/*"},
        users={"files": "people", "id": "id", "features": [AGE]},
    )
    assert check(source, lake, mapping, Format.DELTA).new_rows == 2
    assert table(lake, "users").sort("user_id")["age"].to_list() == [40, None]


def test_a_folder_without_a_table_is_missing_data(tmp_path: Path) -> None:
    (tmp_path / "raw" / "events").mkdir(parents=True)
    error = failure(tmp_path / "raw", tmp_path / "lake")
    assert error.reason == "DataMissing"
    assert "no Delta table events (interactions)" in error.message


def test_a_missing_or_outside_data_file_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "raw"
    collect(source / "events", event(1, 10, START))
    data = next((source / "events").glob("*.parquet"))
    moved = data.rename(tmp_path / "elsewhere.parquet")
    error = failure(source, tmp_path / "lake")
    assert (error.reason, data.name in error.message) == ("UnreadableData", True)
    data.symlink_to(moved)
    error = failure(source, tmp_path / "lake")
    assert (error.reason, "outside the source" in error.message) == ("UnreadableData", True)


def test_a_damaged_log_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "raw"
    collect(source / "events", event(1, 10, START))
    for log in (source / "events" / "_delta_log").glob("*.json"):
        log.write_text("{")
    error = failure(source, tmp_path / "lake")
    assert (error.reason, "not a readable Delta table" in error.message) == (
        "UnreadableData",
        True,
    )


def test_a_table_with_deletion_vectors_is_refused_by_name(tmp_path: Path) -> None:
    """Its data files hold rows that were deleted."""
    source = tmp_path / "raw"
    collect(
        source / "events",
        event(1, 10, START),
        configuration={"delta.enableDeletionVectors": "true"},
    )
    error = failure(source, tmp_path / "lake")
    assert (error.reason, "deletionVectors" in error.message) == ("UnreadableData", True)


def test_a_batch_is_identified_by_table_and_file_not_by_location(tmp_path: Path) -> None:
    """The same table mounted elsewhere is the same; another table with such rows is not."""
    for name in ("one", "two"):
        collect(tmp_path / name / "events", event(1, 10, START))
    (tmp_path / "moved").mkdir()
    ids = [
        source_files.find_files(tmp_path / n, MAPPING, Format.DELTA)["interactions"]
        for n in ("one", "two")
    ]
    (tmp_path / "one" / "events").rename(tmp_path / "moved" / "events")
    moved = source_files.find_files(tmp_path / "moved", MAPPING, Format.DELTA)["interactions"]
    assert ids[0][0].batch == moved[0].batch != ids[1][0].batch
