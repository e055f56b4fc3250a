"""A compaction killed at any step changes no row for readers, and the next one completes."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.table import TableOptimizer

from recommender_training.data import compaction, data_versions, lake, version_content
from tests.mapped_files import START, check, declare, event, write
from tests.recorded_writes import Step, record

TABLES = ("interactions", "users", "items", "batches")


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A lake with five small files in its one partition, and the data versions of five checks."""
    folder = tmp_path_factory.mktemp("crowded")
    versions = []
    for part in range(5):
        write(folder / f"raw/events/{part}.csv", [event(part, part % 3, START + 60 * part)])
        versions.append(check(folder / "raw", folder / "lake", declare()).data_version)
    for part, version in enumerate(versions):  # declarations of this second would not go yet
        os.utime(folder / f"lake/declarations/{version}.json", (START + part, START + part))
    return folder / "lake", versions


@pytest.fixture(autouse=True)
def any_retention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MIN_RETENTION_HOURS", 0)


def compact(path: Path, keep: str) -> compaction.Compacted:
    return compaction.compact(path, keep=[keep], retention_hours=0)


@pytest.fixture(scope="module")
def steps(crowded: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    """What a whole compaction does to the files, one after the other."""
    path = shutil.copytree(crowded[0], tmp_path_factory.mktemp("whole") / "lake")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction, "MIN_RETENTION_HOURS", 0)
        return record(path, lambda: compact(path, crowded[1][1]))


def newest(path: Path) -> pl.DataFrame:
    return lake.sort("interactions", pl.scan_delta(str(path / "interactions")).collect())


def seen(path: Path, version: str) -> tuple[str, pl.DataFrame]:
    """What readers get: a data version by its name, and the newest rows."""
    return version_content.read_version(path, version).digest(), newest(path)


def needed(path: Path, version: str) -> set[Path]:
    """The data files that the newest tables and a data version consist of."""
    files: set[Path] = set()
    kept = data_versions.table_versions(version)
    for name in TABLES:
        for number in (None, kept.get(name)):
            table = DeltaTable(str(path / name), version=number)
            files |= {Path(uri) for uri in table.file_uris()}
    return files


def assert_ended(path: Path, version: str, before: tuple[str, pl.DataFrame]) -> None:
    """One file, the same rows, nothing that no version needs, and nothing left to do."""
    compact(path, version)
    digest, rows = seen(path, version)
    assert digest == before[0]
    assert rows.equals(before[1])
    assert len(DeltaTable(str(path / "interactions")).file_uris()) == 1
    there = {each for each in path.rglob("part-*") if each.is_file()}
    assert there == needed(path, version)
    assert not list(path.rglob("*#*")), "half-written files"
    assert compact(path, version) == compaction.Compacted(0, 0)


def test_after_a_kill_at_any_write_readers_see_the_same_rows_and_the_next_run_completes(
    crowded: tuple[Path, list[str]], steps: list[Step], tmp_path: Path
) -> None:
    version = crowded[1][1]
    path = shutil.copytree(crowded[0], tmp_path / "lake")
    before = seen(path, version)
    scans = version_content.scan_version(path, version).tables
    assert before[1].height == 5
    for number, step in enumerate(steps):
        step.take(path)
        digest, rows = seen(path, version)
        assert digest == before[0], step.path
        assert rows.equals(before[1]), step.path
        assert scans["interactions"].collect().height == 2, "a reader that started before"
        again = shutil.copytree(path, tmp_path / f"again-{number}")
        assert_ended(again, version, before)
        shutil.rmtree(again)


def test_the_steps_are_those_of_a_whole_compaction(steps: list[Step]) -> None:
    """Each file, its commit, and the removal of what no version needs, caught in the act."""
    parts = [step for step in steps if ".parquet" in step.path.name]
    written = [step for step in parts if step.content is not None]
    for name in ("interactions", "batches"):
        sizes = [len(step.content or b"") for step in written if step.path.parts[0] == name]
        assert [size > 0 for size in sizes] == [False, True, True, True]
    removed = {step.path for step in parts if step.content is None} - {s.path for s in written}
    assert {path.parts[0] for path in removed} >= {"interactions", "users"}
    in_logs = (step.path for step in steps if "_delta_log" in step.path.parts)
    commits = {path for path in in_logs if path.suffix == ".json"}
    of_tables = sorted(path.parts[0] for path in commits)
    assert of_tables == ["batches", "interactions"], "a removal gives the same rows no other name"


def killed(path: Path, version: str, dies: int) -> None:
    """Compact, and be killed at this call of Delta: after it where the number is odd."""
    calls = 0

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            for moment in range(2):
                if calls == dies:
                    os.kill(os.getpid(), signal.SIGKILL)
                calls += 1
                if moment == 0:
                    result = real(*arguments, **named)
            return result

        return call

    compaction.MIN_RETENTION_HOURS = 0
    TableOptimizer.compact = dying(TableOptimizer.compact)  # type: ignore[method-assign]
    DeltaTable.vacuum = dying(DeltaTable.vacuum)  # type: ignore[method-assign]
    compact(path, version)


def test_a_process_killed_between_any_two_calls_holds_no_lock_and_loses_no_row(
    crowded: tuple[Path, list[str]], tmp_path: Path
) -> None:
    version = crowded[1][1]
    before = seen(crowded[0], version)
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload([__name__])
    for dies in range(100):
        path = shutil.copytree(crowded[0], tmp_path / f"{dies}")
        process = server.Process(target=killed, args=(path, version, dies))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        digest, rows = seen(path, version)
        assert digest == before[0]
        assert rows.equals(before[1])
        assert_ended(path, version, before)
    assert dies >= 2 * len(TABLES)
