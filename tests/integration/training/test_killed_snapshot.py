"""A snapshot killed at any write loses no recorded version, and the next one completes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from deltalake import DeltaTable

from recommender_training.data import compaction, data_versions, lake, snapshots
from tests.recorded_writes import Step, record
from tests.snapshot_desk import Desk

KEEP = 2


def crowded(desk: Desk) -> None:
    """Two snapshots in the record, small files that only they need, and new events."""
    for hour in range(3):
        desk.add_hour(hour)
        desk.snapshot(KEEP)
    desk.add_hour(3)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("before")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction, "MAX_FILES", 2)
        crowded(Desk(folder, patch))
    return folder


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: Path) -> Desk:
    """A separate desk whose vacuum removes unused files at once."""
    shutil.copytree(before, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(compaction, "MIN_RETENTION_HOURS", 0)
    real = compaction.compact
    monkeypatch.setattr(
        compaction, "compact", lambda *a, **k: real(*a, **{**k, "retention_hours": 0})
    )
    found = Desk(tmp_path, monkeypatch)
    found.now += 3 * 3600
    return found


def assert_all_that_is_named_is_there(desk: Desk) -> None:
    """`height` holds the rows of a version against the digest in its name."""
    heights = [desk.height(version) for version in desk.versions()]
    assert heights[-1] in (9, 12)
    assert sorted(heights) == heights


def assert_ended(desk: Desk) -> None:
    """All rows are in once, the record has its entries, and nothing else is left."""
    report = desk.snapshot(KEEP)
    assert (report["rows"], report["snapshots"]) == (12, KEEP)
    assert_all_that_is_named_is_there(desk)
    needed: set[Path] = set()
    for name in ("interactions", "users", "items", "batches", "quarantine"):
        if lake.newest(desk.lake, name) is None:
            continue
        kept = [data_versions.table_versions(version).get(name) for version in desk.versions()]
        for number in {*kept, None}:
            table = DeltaTable(str(desk.lake / name), version=number)
            needed |= {Path(uri) for uri in table.file_uris()}
    assert {each for each in desk.lake.rglob("part-*") if each.is_file()} == needed
    assert not [*desk.lake.rglob("*#*"), *desk.lake.glob(".*.part")], "half-written files"
    assert not (desk.lake / ".staging").exists()


def test_after_a_kill_at_any_write_recorded_versions_exist_and_the_next_run_completes(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(desk.folder, tmp_path_factory.mktemp("whole") / "desk")
    whole = Desk(folder, monkeypatch)
    whole.now = desk.now
    steps = record(whole.lake, lambda: whole.snapshot(KEEP))
    assert_the_steps_are_those_of_a_whole_snapshot(steps)
    for number, step in enumerate(steps):
        step.take(desk.lake)
        assert_all_that_is_named_is_there(desk)
        assert len(snapshots.read_snapshots(desk.lake)) == KEEP
        again = shutil.copytree(desk.folder, tmp_path_factory.mktemp("again") / str(number))
        other = Desk(again, monkeypatch)
        other.now = desk.now
        other._files = 4
        assert_ended(other)
        shutil.rmtree(again)


def assert_the_steps_are_those_of_a_whole_snapshot(steps: list[Step]) -> None:
    """The new rows, the record, then removals: each caught in the act."""
    names = [str(step.path) for step in steps]
    at = names.index("snapshots.json")
    assert steps[at].content is not None
    commits = [
        place for place, name in enumerate(names) if name.endswith(".json") and "log" in name
    ]
    removed = [
        place
        for place, step in enumerate(steps)
        if step.content is None and step.path.suffix == ".parquet" and "#" not in step.path.name
    ]
    assert {Path(names[place]).parts[0] for place in commits} == {
        "interactions", "users", "batches",
    }  # fmt: skip
    assert {Path(names[place]).parts[0] for place in removed} >= {"interactions", "users"}
    assert max(commits) < at < min(removed)
