"""Compaction changes no row, and a vacuum removes no file that is in use."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from recommender_training.cli.main import main
from recommender_training.common.errors import InputError
from recommender_training.data import compaction, lake, schema_files, version_content
from recommender_training.data.load import load_dataset
from recommender_training.data_checks import lake_files
from recommender_training.ingestion import ingest
from tests.mapped_files import START, check, declare, event, write

Results = list[ingest.CheckResult]


def add(source: Path, path: Path, part: int) -> ingest.CheckResult:
    """A check that finds one more small file, whose rows are of the same day."""
    write(source / f"events/{part}.csv", [event(part, part % 3, START + 60 * part)])
    return check(source, path, declare())


def data_files(path: Path) -> int:
    return len(list((path / "interactions").rglob("*.parquet")))


def rows(path: Path, version: str) -> pl.DataFrame:
    return version_content.read_version(path, version).interactions


@pytest.fixture(scope="session")
def five_checks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    folder = tmp_path_factory.mktemp("five")
    return folder, [add(folder / "raw", folder / "lake", part) for part in range(5)]


@pytest.fixture
def crowded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, five_checks: tuple[Path, Results]
) -> tuple[Path, Results]:
    """A lake with five small files in its one partition, and the checks that made it."""
    monkeypatch.setattr(compaction, "MIN_RETENTION_HOURS", 0)
    for name in ("raw", "lake"):
        shutil.copytree(five_checks[0] / name, tmp_path / name)
    for declared in (tmp_path / "lake" / schema_files.FOLDER).iterdir():
        found = declared.stat()  # an hour older: retention is counted in whole seconds
        os.utime(declared, (found.st_atime - 3600, found.st_mtime - 3600))
    return tmp_path / "lake", five_checks[1]


def test_many_small_files_become_one_and_the_rows_stay(
    crowded: tuple[Path, Results],
) -> None:
    path, (*_, before) = crowded
    assert compaction.compact_interactions(path, max_files=5) == 0
    assert compaction.compact_interactions(path, max_files=4) == 1
    table = DeltaTable(str(path / "interactions"))
    assert len(table.file_uris()) == 1
    assert (
        version_content.read_version(path, before.data_version).digest()
        == before.data_version[-16:]
    )
    assert pl.scan_delta(table).collect().height == rows(path, before.data_version).height == 5
    assert compaction.compact_interactions(path, max_files=1) == 0, "once more does nothing"


def test_a_check_compacts_what_it_has_made_crowded(
    tmp_path: Path, crowded: tuple[Path, Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MAX_FILES", 5)
    path, (*_, fifth) = crowded
    assert len(DeltaTable(str(path / "interactions")).file_uris()) == 5
    sixth = add(tmp_path / "raw", path, 5)
    table = DeltaTable(str(path / "interactions"))
    assert len(table.file_uris()) == 1
    assert sixth.data_version.startswith(f"i{table.version()}.")
    assert [rows(path, each.data_version).height for each in (fifth, sixth)] == [5, 6]
    again = check(tmp_path / "raw", path, declare())
    assert again.data_version == sixth.data_version, "nothing new: nothing is compacted"


NOTES = ("ids", "quarantine", "batches")


def noted(source: Path, path: Path, part: int) -> ingest.CheckResult:
    """A check of one more file with a text, a user and a row without a time that are new."""
    rows = [event(f"u-{part}", "sku 1", START + 60 * part), event(f"u-{part}", "sku 1", "")]
    write(source / f"events/{part}.csv", rows)
    return check(source, path, declare(ids={"user": "Text", "item": "Text"}))


def notes(path: Path) -> dict[str, list[str]]:
    """The rows of each table, in an order that files do not change."""
    tables = {name: pl.scan_delta(str(path / name)).collect() for name in NOTES}
    return {name: sorted(map(str, rows.rows())) for name, rows in tables.items()}


def test_checks_compact_what_they_note_and_lose_no_text_and_no_bad_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MAX_FILES", 3)
    source, path = tmp_path / "raw", tmp_path / "lake"
    for part in range(3):
        noted(source, path, part)
    before = notes(path)
    counts = {name: len(DeltaTable(str(path / name)).file_uris()) for name in NOTES}
    assert counts == {"ids": 4, "quarantine": 3, "batches": 3}, "ids: of users and of items"
    last = noted(source, path, 3)
    after = notes(path)
    for name in NOTES:
        files_of = DeltaTable(str(path / name)).file_uris()
        assert len(files_of) == (2 if name == "ids" else 1)
        assert set(before[name]) < set(after[name])
    assert [len(after[name]) for name in NOTES] == [5, 4, 4]
    again = noted(source, path, 3)
    assert again.data_version == last.data_version
    assert again.quarantined_rows == 4, "rows quarantined by earlier checks are known"
    assert notes(path) == after


def test_a_vacuum_spares_the_versions_that_are_referred_to(crowded: tuple[Path, Results]) -> None:
    path, (_, _, early, late, _) = crowded
    found = compaction.compact(path, keep=[early.data_version], retention_hours=0)
    assert found.partitions == 2, "that of the interactions, and the table of batches"
    assert found.files_removed >= 2, "those of the fourth and the fifth check"
    assert rows(path, early.data_version).height == 3
    newest = DeltaTable(str(path / "interactions"))
    assert pl.scan_delta(newest).collect().height == 5
    again = compaction.compact(path, keep=[early.data_version], retention_hours=0)
    assert again == compaction.Compacted(0, 0)
    assert DeltaTable(str(path / "interactions")).version() == newest.version()
    compaction.compact(path, keep=[], retention_hours=0)
    assert data_files(path) == 1
    for gone in (early, late):
        with pytest.raises(InputError, match="cannot be read"):
            load_dataset(path, gone.data_version, None)


def test_files_within_the_retention_stay(
    crowded: tuple[Path, Results],
) -> None:
    path, (*_, last) = crowded
    assert compaction.compact(path, keep=[], retention_hours=24).files_removed == 0
    assert rows(path, last.data_version).height == 5


def test_a_killed_compaction_leaves_a_lake_that_reads_and_compacts(
    crowded: tuple[Path, Results],
) -> None:
    """What was written before the commit is in no version, and goes with the next vacuum."""
    path, (*_, last) = crowded
    partition = next((path / "interactions").rglob("*.parquet")).parent
    orphan = partition / "part-00001-killed.zstd.parquet"
    orphan.write_bytes(b"PAR1 cut short")
    assert rows(path, last.data_version).height == 5
    compaction.compact(path, keep=[last.data_version], retention_hours=0)
    assert not orphan.exists()
    assert rows(path, last.data_version).height == 5


def test_the_command_spares_artifacts_and_the_last_training(
    tmp_path: Path, crowded: tuple[Path, Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, (named, published, _, trained, _) = crowded
    lake_files.write_trained(path, trained.data_version)
    manifest = tmp_path / "artifacts" / "a1" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"dataVersion": published.data_version}))
    report = tmp_path / "report.json"
    arguments = ["compact", "--lake", str(path), "--artifacts", str(tmp_path / "artifacts"),
                 "--keep", named.data_version, "--keep-snapshots", "1",
                 "--report", str(report)]  # fmt: skip
    real = compaction.compact
    monkeypatch.setattr(
        compaction, "compact", lambda *a, **k: real(*a, **{**k, "retention_hours": 0})
    )
    assert main(arguments) == 0
    entry = json.loads(report.read_text())
    assert (entry["kind"], entry["partitions"]) == ("compact", 2)
    assert entry["filesRemoved"] >= 1
    heights = [rows(path, each.data_version).height for each in (published, trained, named)]
    assert heights == [2, 4, 1]


def test_nothing_is_removed_on_the_word_of_a_wrong_path_or_a_damaged_manifest(
    tmp_path: Path, crowded: tuple[Path, Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = crowded
    before = data_files(path)
    with pytest.raises(InputError, match="not a folder of artifacts"):
        lake_files.referenced(path, tmp_path / "nowhere", [])
    broken = tmp_path / "artifacts" / "a" / "manifest.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{")
    with pytest.raises(InputError, match="has no readable data version"):
        lake_files.referenced(path, tmp_path / "artifacts", [])
    with pytest.raises(InputError, match="is not a data version"):
        compaction.compact(path, keep=["latest"], retention_hours=0)
    with pytest.raises(InputError, match="has no table"):
        compaction.compact(tmp_path / "empty", keep=[], retention_hours=0)
    monkeypatch.setattr(compaction, "MIN_RETENTION_HOURS", 24)
    with pytest.raises(InputError, match="give 24 or more"):
        compaction.compact(path, keep=[], retention_hours=23)
    assert data_files(path) == before


def test_files_of_segments_with_unusual_names_are_removed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the disk the names are escaped, and so they are where Delta names the files."""
    monkeypatch.setattr(compaction, "MIN_RETENTION_HOURS", 0)
    segments = ("a b/ü%20", "a%2Fb", "x=y#1", "ü:*?", "plain")
    facts = {"user_id": 1, "item_id": 1, "value": 3.0, "event_date": "2026-01-01"}
    for number in range(3):
        events = [facts | {"timestamp": number, "segment": segment} for segment in segments]
        lake.append(tmp_path, "interactions", pl.DataFrame(events), ["event_date", "segment"])
    done = compaction.compact(tmp_path, keep=[], retention_hours=0)
    assert done == compaction.Compacted(len(segments), 3 * len(segments))
    assert data_files(tmp_path) == len(segments)
    assert pl.scan_delta(str(tmp_path / "interactions")).collect().height == 3 * len(segments)
