"""`check` is idempotent, appends new rows, and reports errors."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from recommender_contract.resource.mapping import Format
from recommender_examples import synthetic
from recommender_training.common.errors import InputError
from recommender_training.data import lake, schema, version_content
from recommender_training.ingestion import ingest, raw
from recommender_training.ingestion.mapping import Mapping

INTERACTIONS = schema.interactions_schema(raw.declaration())
SIZE = synthetic.Size(users=30, items=20, interactions=300)
HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"


@pytest.fixture
def raw_folder(tmp_path: Path) -> Path:
    synthetic.generate(tmp_path / "raw", SIZE, seed=1)
    return tmp_path / "raw"


def add_rows(folder: Path, *rows: str, name: str = "late") -> None:
    (folder / f"{name}.inter").write_text(HEADER + "".join(row + "\n" for row in rows))


def test_the_same_files_give_the_same_version_again(raw_folder: Path, tmp_path: Path) -> None:
    first = ingest.ingest_and_check(raw_folder, tmp_path / "lake", kind=Format.MOVIELENS_100K)
    again = ingest.ingest_and_check(raw_folder, tmp_path / "lake", kind=Format.MOVIELENS_100K)
    assert again.data_version == first.data_version
    assert (first.new_rows, again.new_rows) == (first.rows, 0)
    for name in ("interactions", "users", "items"):
        assert DeltaTable(str(tmp_path / "lake" / name)).version() == 0


def test_the_same_content_in_another_lake_has_the_same_digest(
    raw_folder: Path, tmp_path: Path
) -> None:
    one = ingest.ingest_and_check(raw_folder, tmp_path / "one", kind=Format.MOVIELENS_100K)
    other = ingest.ingest_and_check(raw_folder, tmp_path / "other", kind=Format.MOVIELENS_100K)
    assert one.data_version == other.data_version


def test_interactions_are_partitioned_by_date_and_segment(
    raw_folder: Path, tmp_path: Path
) -> None:
    ingest.ingest_and_check(raw_folder, tmp_path / "lake", kind=Format.MOVIELENS_100K)
    table = DeltaTable(str(tmp_path / "lake" / "interactions"))
    assert table.metadata().partition_columns == ["event_date", "segment"]


def test_new_rows_make_a_new_version_and_the_old_one_stays_readable(
    raw_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "lake"
    first = ingest.ingest_and_check(raw_folder, path, kind=Format.MOVIELENS_100K)
    add_rows(raw_folder, "1\t2\t4\t899000000")
    second = ingest.ingest_and_check(raw_folder, path, kind=Format.MOVIELENS_100K)
    assert second.data_version != first.data_version
    assert (second.rows, second.new_rows) == (first.rows + 1, 1)
    assert version_content.read_version(path, first.data_version).interactions.height == first.rows
    assert (
        version_content.read_version(path, second.data_version).interactions.height == second.rows
    )


def test_a_changed_user_is_a_new_version(raw_folder: Path, tmp_path: Path) -> None:
    first = ingest.ingest_and_check(raw_folder, tmp_path / "lake", kind=Format.MOVIELENS_100K)
    text = (raw_folder / "synthetic.user").read_text()
    (raw_folder / "synthetic.user").write_text(text.replace("engineer", "pilot"))
    second = ingest.ingest_and_check(raw_folder, tmp_path / "lake", kind=Format.MOVIELENS_100K)
    assert second.data_version != first.data_version
    users = version_content.read_version(tmp_path / "lake", second.data_version).users
    assert "pilot" in users["occupation"].to_list()


def test_quarantined_rows_are_kept_once_with_row_reason_and_schema(
    raw_folder: Path, tmp_path: Path
) -> None:
    add_rows(raw_folder, "1\t2\t9\t899000000")
    for _ in range(2):
        result = ingest.ingest_and_check(raw_folder, tmp_path / "lake", kind=Format.MOVIELENS_100K)
    assert result.quarantined_rows == 1
    rows = pl.scan_delta(str(tmp_path / "lake" / "quarantine")).collect()
    assert rows.select("row", "reason", "schema_hash").rows() == [
        ("1\t2\t9\t899000000", "BadRating", raw.INTERACTIONS.schema_hash)
    ]


def test_the_window_ends_at_the_newest_event(raw_folder: Path, tmp_path: Path) -> None:
    add_rows(raw_folder, "1\t2\t4\t899000000", "2\t3\t4\t899086399", "2\t4\t4\t898999999")
    result = ingest.ingest_and_check(
        raw_folder, tmp_path / "lake", window_days=1, kind=Format.MOVIELENS_100K
    )
    assert result.rows == 2
    assert result.window_start == "1998-06-28T02:13:20Z"
    assert result.window_end == "1998-06-29T02:13:19Z"


def failure(folder: Path, tmp_path: Path, **limits: float) -> InputError:
    with pytest.raises(InputError) as caught:
        ingest.ingest_and_check(folder, tmp_path / "lake", **limits, kind=Format.MOVIELENS_100K)  # type: ignore[arg-type]
    return caught.value


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    error = failure(tmp_path / "nowhere", tmp_path)
    assert error.reason == "DataMissing"
    assert "nowhere" in error.message


def test_a_mapping_of_columns_that_are_fixed_is_refused(raw_folder: Path, tmp_path: Path) -> None:
    columns = {"files": "*", "user": "u", "item": "i", "timestamp": "t", "value": "v"}
    mapping = Mapping.model_validate({"interactions": columns})
    with pytest.raises(InputError, match="MovieLens100K takes no mapping") as caught:
        ingest.ingest_and_check(
            raw_folder, tmp_path / "lake", kind=Format.MOVIELENS_100K, mapping=mapping
        )
    assert caught.value.reason == "InvalidMapping"
    assert lake.current(tmp_path / "lake", "interactions", INTERACTIONS)[0] is None


def test_too_few_rows_are_counted(raw_folder: Path, tmp_path: Path) -> None:
    error = failure(raw_folder, tmp_path, min_rows=100_000)
    assert error.reason == "TooFewRows"
    assert "100000" in error.message
    assert (
        error.details["rows"]
        == lake.current(tmp_path / "lake", "interactions", INTERACTIONS)[1].height
    )


def test_headers_without_rows_are_an_empty_window(raw_folder: Path, tmp_path: Path) -> None:
    (raw_folder / "synthetic.inter").write_text(HEADER)
    error = failure(raw_folder, tmp_path)
    assert error.reason == "NoRowsInWindow"
    assert "*.inter files have no row below their headers: export" in error.message


def test_only_bad_rows_give_an_empty_window_if_the_share_allows_it(
    raw_folder: Path, tmp_path: Path
) -> None:
    (raw_folder / "synthetic.inter").write_text(HEADER + "1\t1\tx\t1\n")
    error = failure(raw_folder, tmp_path, max_quarantined_share=1.0)
    assert error.reason == "NoRowsInWindow"


def test_too_many_bad_rows_fail_and_no_row_is_written(raw_folder: Path, tmp_path: Path) -> None:
    add_rows(raw_folder, *(f"1\t{item}\t9\t899000000" for item in range(1, 11)))
    error = failure(raw_folder, tmp_path)
    assert error.reason == "TooManyQuarantinedRows"
    assert "BadRating 10" in error.message
    assert "late.inter line 2" in error.message
    version, _ = lake.current(tmp_path / "lake", "interactions", INTERACTIONS)
    assert version is None
    kept = pl.scan_delta(str(tmp_path / "lake" / "quarantine")).collect()
    assert kept.height == 10


def test_a_version_whose_content_was_changed_is_refused(raw_folder: Path, tmp_path: Path) -> None:
    result = ingest.ingest_and_check(raw_folder, tmp_path / "lake", kind=Format.MOVIELENS_100K)
    other = "0" * 16 if not result.data_version.endswith("0" * 16) else "1" * 16
    for version in (result.data_version[:-16] + other, "latest", "i9.u0.t0-" + "0" * 16):
        with pytest.raises(InputError) as caught:
            version_content.read_version(tmp_path / "lake", version)
        assert caught.value.reason == "DataVersionMissing"
