"""Snapshots of a lake: the record, and the removal of its oldest entries."""

from __future__ import annotations

import datetime
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from recommender_operator.api import report as operator_report
from recommender_training.common.errors import InputError
from recommender_training.data import compaction, snapshots
from recommender_training.data_checks import lake_files
from tests.mapped_files import START, event
from tests.snapshot_desk import Desk

SHARE = ("--max-quarantined-share", 0.5)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


@pytest.fixture
def any_retention(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unused files are removed at once."""
    monkeypatch.setattr(compaction, "MIN_RETENTION_HOURS", 0)
    real = compaction.compact
    monkeypatch.setattr(
        compaction, "compact", lambda *a, **k: real(*a, **{**k, "retention_hours": 0})
    )


def publish(desk: Desk, data_version: str) -> None:
    manifest = desk.artifacts / "a1" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"dataVersion": data_version}))


def gone(desk: Desk, data_version: str) -> bool:
    try:
        desk.height(data_version)
    except InputError as error:
        return error.reason == "DataVersionMissing"
    return False


def test_a_snapshot_ingests_new_rows_and_records_the_version(desk: Desk) -> None:
    desk.add_hour(0)
    desk.add_events(event("x", 1, START))
    answer = desk.snapshot(30, *SHARE)
    assert (answer["kind"], answer["ok"], answer["reason"]) == ("snapshot", True, "Done")
    assert answer.items() >= {
        "takenAt": "2026-01-31T01:00:00Z", "rows": 3, "newRows": 3, "quarantinedRows": 1,
        "snapshots": 1, "oldest": "2026-01-31T01:00:00Z", "filesRemoved": 0,
    }.items()  # fmt: skip
    assert "by" not in answer
    read = operator_report.parse(operator_report.SnapshotReport, answer)
    assert (read.rows, read.new_rows, read.quarantined_rows, read.snapshots) == (3, 3, 1, 1)
    assert read.taken_at == read.oldest == datetime.datetime(2026, 1, 31, 1, tzinfo=datetime.UTC)
    assert desk.height(answer["dataVersion"]) == 3
    (entry,) = snapshots.read_snapshots(desk.lake)
    assert entry.to_json().items() <= {**answer, "by": "snapshot"}.items()
    desk.add_hour(1)
    second = desk.snapshot(30, *SHARE)
    assert (second["rows"], second["newRows"], second["snapshots"]) == (6, 3, 2)
    assert second["oldest"] == answer["takenAt"]
    third = desk.snapshot(30, *SHARE)
    assert (third["dataVersion"], third["newRows"]) == (second["dataVersion"], 0)
    assert desk.versions() == [each["dataVersion"] for each in (answer, second, third)]


def test_a_check_after_a_snapshot_has_its_rows_and_records_the_version(desk: Desk) -> None:
    desk.add_hour(0, rows=40)
    version = desk.snapshot()["dataVersion"]
    code, answer = desk.read("check", "--min-rows", 1)
    assert (code, answer["dataVersion"], answer["rows"]) == (0, version, 40)
    by = [(each.data_version, each.by) for each in snapshots.read_snapshots(desk.lake)]
    assert by == [(version, "snapshot"), (version, "check")]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(("--min-rows", 1), "DataChecksFailed"), (("--min-rows", 99), "TooFewRows")],
)
def test_data_refused_by_a_check_is_in_the_lake_and_recorded(
    desk: Desk, arguments: tuple[object, ...], reason: str
) -> None:
    desk.add_events(*(event(1, n, START + n) for n in range(20)))
    code, answer = desk.read("check", *arguments)
    assert (code, answer["reason"]) == (2, reason)
    assert desk.versions() == [answer["dataVersion"]]
    assert desk.height(answer["dataVersion"]) == 20


@pytest.mark.parametrize("command", ["check", "snapshot"])
def test_a_failed_ingestion_is_not_recorded(desk: Desk, command: str) -> None:
    assert desk.read(command)[1]["reason"] == "DataMissing"
    desk.add_events(event("x", 1, START), event(1, 1, START))
    code, answer = desk.read(command)
    assert (code, answer["reason"]) == (2, "TooManyQuarantinedRows")
    desk.add_events({"user": 1})
    assert desk.read(command)[1]["reason"] == "UnknownColumns"
    shutil.rmtree(desk.raw)
    desk.add_events(event("x", 1, START))
    code, answer = desk.read(command, "--max-quarantined-share", 1)
    assert (code, answer["reason"]) == (2, "NoRowsInWindow")
    assert desk.versions() == []


MOVIES = ("--format", "MovieLens100K")


def test_a_snapshot_of_movielens_files_equals_that_of_a_check(source: Path, desk: Desk) -> None:
    code, answer = desk.run("snapshot", "--source", source, *MOVIES)
    assert (code, answer["quarantinedRows"]) == (0, 0)
    code, checked = desk.run("check", "--source", source, *MOVIES, "--min-rows", 1)
    assert (checked["dataVersion"], checked["rows"]) == (answer["dataVersion"], answer["rows"])


@pytest.mark.usefixtures("any_retention")
def test_files_of_dropped_snapshots_are_removed_and_those_of_kept_ones_stay(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MAX_FILES", 2)
    made = []
    for hour in range(6):
        desk.add_hour(hour)
        made.append(desk.snapshot(3, "--artifacts", desk.artifacts))
        heights = [desk.height(version) for version in desk.versions()]
        assert heights == [3 * (n + 1) for n in range(max(hour - 2, 0), hour + 1)]
    assert [each["snapshots"] for each in made] == [1, 2, 3, 3, 3, 3]
    assert made[5]["oldest"] == made[3]["takenAt"]
    versions = [each["dataVersion"] for each in made]
    assert desk.versions() == versions[3:]
    assert [gone(desk, version) for version in versions] == [True] * 3 + [False] * 3
    assert sum(each["filesRemoved"] for each in made) > 0
    again = desk.snapshot(3)
    assert again["dataVersion"] == versions[5], "a snapshot changes no version it has named"
    assert sorted({*desk.versions()}) == versions[4:]


@pytest.mark.usefixtures("any_retention")
def test_versions_of_artifacts_of_the_last_training_and_of_keep_stay(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MAX_FILES", 1)
    made = []
    for hour in range(6):
        desk.add_hour(hour)
        made.append(desk.snapshot()["dataVersion"])
    publish(desk, made[0])
    lake_files.write_trained(desk.lake, made[1])
    answer = desk.snapshot(1, "--artifacts", desk.artifacts, "--keep", made[2], "--keep", made[3])
    assert answer["filesRemoved"] > 0
    assert [gone(desk, version) for version in made] == [False] * 4 + [True, False]


def test_profiles_are_removed_with_their_versions(desk: Desk) -> None:
    made = []
    for hour in range(4):
        desk.add_hour(hour)
        made.append(desk.snapshot()["dataVersion"])
    publish(desk, made[0])
    folders = [desk.lake / "checks" / version for version in made]
    for folder in folders[:2]:
        os.utime(folder, (desk.now - 8 * 86_400,) * 2)
    os.utime(folders[2], (desk.now,) * 2)
    desk.snapshot(1, "--artifacts", desk.artifacts)
    assert [folder.exists() for folder in folders] == [True, False, True, True]


def test_files_within_the_retention_stay(desk: Desk) -> None:
    made = []
    for hour in range(3):
        desk.add_hour(hour)
        made.append(desk.snapshot(1))
    assert [each["filesRemoved"] for each in made] == [0, 0, 0]
    assert [desk.height(each["dataVersion"]) for each in made] == [3, 6, 9]


@pytest.mark.usefixtures("any_retention")
def test_compact_keeps_all_snapshots_or_the_given_number(desk: Desk) -> None:
    made = []
    for hour in range(4):
        desk.add_hour(hour)
        made.append(desk.snapshot()["dataVersion"])
    desk.artifacts.mkdir()
    compact = ("compact", "--artifacts", desk.artifacts)
    assert desk.run(*compact)[0] == 0
    assert [desk.height(version) for version in made] == [3, 6, 9, 12]
    code, answer = desk.run(*compact, "--keep-snapshots", 2)
    assert (code, desk.versions()) == (0, made[2:])
    assert answer["filesRemoved"] > 0
    assert [gone(desk, version) for version in made] == [True, True, False, False]


def test_a_damaged_record_prevents_ingestion_and_removal(desk: Desk) -> None:
    desk.add_hour(0)
    before = desk.snapshot()["dataVersion"]
    desk.add_hour(1)
    desk.artifacts.mkdir()
    (desk.lake / "snapshots.json").write_text("{")
    tables = sorted(str(path) for path in desk.lake.rglob("*") if ".lock" not in path.name)
    for command, arguments in (
        (desk.read, ("snapshot",)),
        (desk.read, ("check",)),
        (desk.run, ("check", "--data-version", before)),
        (desk.run, ("check", "--as-of", "2026-01-31T00:00:00Z")),
        (desk.run, ("compact", "--artifacts", desk.artifacts)),
        (desk.run, ("compact", "--artifacts", desk.artifacts, "--keep-snapshots", 1)),
        (desk.run, ("snapshots",)),
    ):
        code, answer = command(*arguments)
        assert (code, answer["reason"]) == (2, "SnapshotsDamaged"), arguments
        assert "snapshots.json cannot be read" in answer["message"]
    assert tables == sorted(str(path) for path in desk.lake.rglob("*") if ".lock" not in path.name)
    (desk.lake / "snapshots.json").rename(desk.folder / "damaged.json")
    assert desk.snapshot()["rows"] == 6
    assert len(desk.versions()) == 1, "a new record starts"


def test_a_wrong_argument_is_reported_before_any_ingestion(desk: Desk) -> None:
    desk.add_hour(0)
    for arguments, reason in (
        (("--retention-hours", 23), "InvalidRetention"),
        (("--keep", "latest"), "DataVersionMissing"),
        (("--mapping", "{}"), "InvalidMapping"),
    ):
        code, answer = desk.read("snapshot", *arguments)
        assert (code, answer["reason"]) == (2, reason)
    assert not (desk.lake / "interactions").exists()


def test_a_damaged_manifest_stops_the_removal_and_not_the_snapshot(desk: Desk) -> None:
    desk.add_hour(0)
    desk.snapshot()
    publish(desk, "x")
    (desk.artifacts / "a1" / "manifest.json").write_text("{")
    desk.add_hour(1)
    code, answer = desk.read("snapshot", "--keep-snapshots", 1, "--artifacts", desk.artifacts)
    assert (code, answer["reason"]) == (2, "ArtifactInvalid")
    assert answer["message"].startswith("the snapshot is recorded, but no file was removed")
    assert desk.versions() == [answer["dataVersion"]]
    assert desk.height(answer["dataVersion"]) == 6


def test_snapshots_prints_the_record(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.run("snapshots")[1]["reason"] == "DataMissing", "no such folder"
    desk.lake.mkdir()
    capsys.readouterr()
    assert desk.run("snapshots")[1]["snapshots"] == 0
    assert capsys.readouterr().out.startswith("TAKEN AT")
    desk.add_hour(0)
    answer = desk.snapshot()
    desk.read("check", "--min-rows", 1)
    capsys.readouterr()
    code, found = desk.run("snapshots")
    assert (code, found["snapshots"]) == (0, 2)
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "TAKEN AT"
    assert first.split() == [
        "2026-01-31T01:00:00Z", answer["dataVersion"], "3", "3", "0", "snapshot",
    ]  # fmt: skip
    assert second.split()[3:] == ["0", "0", "check"]
    desk.run("snapshots", "--json")
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert printed == json.loads((desk.lake / "snapshots.json").read_text())
