"""Compaction changes no row, and a vacuum takes no file that somebody may ask for again."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from recommender_training.cli import main
from recommender_training.data import compaction, ingest, lake
from recommender_training.data_checks import files
from recommender_training.errors import InputError
from tests.unit.recommender_training.mapped_files import START, check, declare, event, write


def ingest_parts(source: Path, path: Path, parts: int, first: int = 0) -> ingest.CheckResult:
    """A check after each of some small files, whose rows are of one day."""
    for part in range(first, first + parts):
        write(source / f"events/{part}.csv", [event(part, part % 3, START + 60 * part)])
        result = check(source, path, declare())
    return result


def data_files(path: Path) -> int:
    return len(list((path / "interactions").rglob("*.parquet")))


def rows(path: Path, version: str) -> pl.DataFrame:
    return lake.read_version(path, version).interactions


@pytest.fixture
def crowded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, ingest.CheckResult]:
    """A lake with five small files in its one partition."""
    monkeypatch.setattr(compaction, "MIN_RETENTION_HOURS", 0)
    path = tmp_path / "lake"
    return path, ingest_parts(tmp_path / "raw", path, 5)


def test_many_small_files_become_one_and_the_rows_stay(
    crowded: tuple[Path, ingest.CheckResult],
) -> None:
    path, before = crowded
    assert compaction.compact_interactions(path, max_files=5) == 0
    assert compaction.compact_interactions(path, max_files=4) == 1
    table = DeltaTable(str(path / "interactions"))
    assert len(table.file_uris()) == 1
    now = lake.name_version(table.version(), 4, 0, before.data_version[-16:])
    assert lake.read_version(path, before.data_version).digest() == before.data_version[-16:]
    assert pl.scan_delta(table).collect().height == rows(path, before.data_version).height == 5
    assert now != before.data_version
    assert compaction.compact_interactions(path, max_files=1) == 0, "once more does nothing"


def test_a_check_compacts_what_it_has_made_crowded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MAX_FILES", 3)
    source, path = tmp_path / "raw", tmp_path / "lake"
    third = ingest_parts(source, path, 3)
    assert len(DeltaTable(str(path / "interactions")).file_uris()) == 3
    fourth = ingest_parts(source, path, 1, first=3)
    table = DeltaTable(str(path / "interactions"))
    assert len(table.file_uris()) == 1
    assert fourth.data_version.startswith(f"i{table.version()}.")
    assert (rows(path, third.data_version).height, rows(path, fourth.data_version).height) == (
        3,
        4,
    )
    again = check(source, path, declare())
    assert again.data_version == fourth.data_version, "nothing new: nothing is compacted"


def test_a_vacuum_spares_the_versions_that_are_referred_to(
    tmp_path: Path, crowded: tuple[Path, ingest.CheckResult]
) -> None:
    path, last = crowded
    early = ingest_parts(tmp_path / "raw", path, 2, first=5)
    ingest_parts(tmp_path / "raw", path, 1, first=7)
    found = compaction.compact(path, keep=[early.data_version], retention_hours=0)
    assert found.partitions == 1
    assert found.files_removed >= 1, "the file of the eighth check is in the compacted one"
    assert rows(path, early.data_version).height == 7
    newest = DeltaTable(str(path / "interactions"))
    assert pl.scan_delta(newest).collect().height == 8
    again = compaction.compact(path, keep=[early.data_version], retention_hours=0)
    assert again == compaction.Compacted(0, 0)
    compaction.compact(path, keep=[], retention_hours=0)
    assert data_files(path) == 1
    for gone in (early, last):
        with pytest.raises(InputError, match="cannot be read"):
            rows(path, gone.data_version)


def test_what_is_younger_than_the_retention_stays(
    crowded: tuple[Path, ingest.CheckResult],
) -> None:
    path, last = crowded
    assert compaction.compact(path, keep=[], retention_hours=24).files_removed == 0
    assert rows(path, last.data_version).height == 5


def test_a_killed_compaction_leaves_a_lake_that_reads_and_compacts(
    crowded: tuple[Path, ingest.CheckResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written before the commit is in no version, and goes with the next vacuum."""
    path, last = crowded
    partition = next((path / "interactions").rglob("*.parquet")).parent
    orphan = partition / "part-00001-killed.zstd.parquet"
    orphan.write_bytes(b"PAR1 cut short")
    assert rows(path, last.data_version).height == 5
    compaction.compact(path, keep=[last.data_version], retention_hours=0)
    assert not orphan.exists()
    assert rows(path, last.data_version).height == 5


def test_the_command_spares_artifacts_and_the_last_training(
    tmp_path: Path, crowded: tuple[Path, ingest.CheckResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, published = crowded
    trained = ingest_parts(tmp_path / "raw", path, 1, first=5)
    files.write_trained(path, trained.data_version)
    named = ingest_parts(tmp_path / "raw", path, 1, first=6)
    ingest_parts(tmp_path / "raw", path, 1, first=7)
    manifest = tmp_path / "artifacts" / "a1" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"dataVersion": published.data_version}))
    report = tmp_path / "report.json"
    arguments = ["compact", "--lake", str(path), "--artifacts", str(tmp_path / "artifacts"),
                 "--keep", named.data_version, "--report", str(report)]  # fmt: skip
    real = compaction.compact
    monkeypatch.setattr(
        compaction, "compact", lambda *a, **k: real(*a, **{**k, "retention_hours": 0})
    )
    assert main(arguments) == 0
    told = json.loads(report.read_text())
    assert (told["kind"], told["partitions"]) == ("compact", 1)
    assert told["filesRemoved"] >= 1
    heights = [rows(path, each.data_version).height for each in (published, trained, named)]
    assert heights == [5, 6, 7]


def test_nothing_is_removed_on_the_word_of_a_wrong_path_or_a_damaged_manifest(
    tmp_path: Path, crowded: tuple[Path, ingest.CheckResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = crowded
    before = data_files(path)
    with pytest.raises(InputError, match="no folder of artifacts"):
        files.referenced(path, tmp_path / "nowhere", [])
    broken = tmp_path / "artifacts" / "a" / "manifest.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{")
    with pytest.raises(InputError, match="does not tell its data version"):
        files.referenced(path, tmp_path / "artifacts", [])
    with pytest.raises(InputError, match="is no data version"):
        compaction.compact(path, keep=["latest"], retention_hours=0)
    with pytest.raises(InputError, match="has no table"):
        compaction.compact(tmp_path / "empty", keep=[], retention_hours=0)
    monkeypatch.setattr(compaction, "MIN_RETENTION_HOURS", 24)
    with pytest.raises(InputError, match="give 24 or more"):
        compaction.compact(path, keep=[], retention_hours=23)
    assert data_files(path) == before
