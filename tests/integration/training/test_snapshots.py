"""Snapshots of a lake: what the record has, and what is removed with its oldest entries."""

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
    """What nobody refers to goes at once."""
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


def test_a_snapshot_takes_new_rows_in_names_the_version_and_records_it(desk: Desk) -> None:
    desk.add_hour(0)
    desk.add_events(event("x", 1, START))
    said = desk.snapshot(30, *SHARE)
    assert (said["kind"], said["ok"], said["reason"]) == ("snapshot", True, "Done")
    assert said.items() >= {
        "takenAt": "2026-01-31T01:00:00Z", "rows": 3, "newRows": 3, "quarantinedRows": 1,
        "snapshots": 1, "oldest": "2026-01-31T01:00:00Z", "filesRemoved": 0,
    }.items()  # fmt: skip
    assert "by" not in said
    read = operator_report.parse(operator_report.SnapshotReport, said)
    assert (read.rows, read.new_rows, read.quarantined_rows, read.snapshots) == (3, 3, 1, 1)
    assert read.taken_at == read.oldest == datetime.datetime(2026, 1, 31, 1, tzinfo=datetime.UTC)
    assert desk.height(said["dataVersion"]) == 3
    (entry,) = snapshots.read(desk.lake)
    assert entry.to_json().items() <= {**said, "by": "snapshot"}.items()
    desk.add_hour(1)
    second = desk.snapshot(30, *SHARE)
    assert (second["rows"], second["newRows"], second["snapshots"]) == (6, 3, 2)
    assert second["oldest"] == said["takenAt"]
    third = desk.snapshot(30, *SHARE)
    assert (third["dataVersion"], third["newRows"]) == (second["dataVersion"], 0)
    assert desk.versions() == [each["dataVersion"] for each in (said, second, third)]


def test_a_check_has_the_rows_that_a_snapshot_took_in_and_records_its_version(desk: Desk) -> None:
    desk.add_hour(0, rows=40)
    version = desk.snapshot()["dataVersion"]
    code, said = desk.read("check", "--min-rows", 1)
    assert (code, said["dataVersion"], said["rows"]) == (0, version, 40)
    by = [(each.data_version, each.by) for each in snapshots.read(desk.lake)]
    assert by == [(version, "snapshot"), (version, "check")]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(("--min-rows", 1), "DataChecksFailed"), (("--min-rows", 99), "TooFewRows")],
)
def test_what_a_check_refuses_is_in_the_lake_and_recorded(
    desk: Desk, arguments: tuple[object, ...], reason: str
) -> None:
    desk.add_events(*(event(1, n, START + n) for n in range(20)))
    code, said = desk.read("check", *arguments)
    assert (code, said["reason"]) == (2, reason)
    assert desk.versions() == [said["dataVersion"]]
    assert desk.height(said["dataVersion"]) == 20


@pytest.mark.parametrize("command", ["check", "snapshot"])
def test_an_ingestion_that_failed_is_not_recorded(desk: Desk, command: str) -> None:
    assert desk.read(command)[1]["reason"] == "DataMissing"
    desk.add_events(event("x", 1, START), event(1, 1, START))
    code, said = desk.read(command)
    assert (code, said["reason"]) == (2, "TooManyQuarantinedRows")
    desk.add_events({"user": 1})
    assert desk.read(command)[1]["reason"] == "UnknownColumns"
    shutil.rmtree(desk.raw)
    desk.add_events(event("x", 1, START))
    code, said = desk.read(command, "--max-quarantined-share", 1)
    assert (code, said["reason"]) == (2, "NoRowsInWindow")
    assert desk.versions() == []


def test_a_snapshot_of_movielens_files_is_the_one_that_its_check_makes(
    source: Path, desk: Desk
) -> None:
    code, said = desk.run("snapshot", "--source", source)
    assert (code, said["quarantinedRows"]) == (0, 0)
    code, checked = desk.run("check", "--source", source, "--min-rows", 1)
    assert (checked["dataVersion"], checked["rows"]) == (said["dataVersion"], said["rows"])


@pytest.mark.usefixtures("any_retention")
def test_what_falls_out_of_the_record_is_removed_and_what_it_names_stays(
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
def test_versions_of_artifacts_of_the_last_training_and_those_named_are_spared(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MAX_FILES", 1)
    made = []
    for hour in range(6):
        desk.add_hour(hour)
        made.append(desk.snapshot()["dataVersion"])
    publish(desk, made[0])
    lake_files.write_trained(desk.lake, made[1])
    said = desk.snapshot(1, "--artifacts", desk.artifacts, "--keep", made[2], "--keep", made[3])
    assert said["filesRemoved"] > 0
    assert [gone(desk, version) for version in made] == [False] * 4 + [True, False]


def test_profiles_go_with_the_versions_that_nobody_may_ask_for(desk: Desk) -> None:
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


def test_what_is_younger_than_the_retention_stays(desk: Desk) -> None:
    made = []
    for hour in range(3):
        desk.add_hour(hour)
        made.append(desk.snapshot(1))
    assert [each["filesRemoved"] for each in made] == [0, 0, 0]
    assert [desk.height(each["dataVersion"]) for each in made] == [3, 6, 9]


@pytest.mark.usefixtures("any_retention")
def test_compact_spares_all_snapshots_or_as_many_as_it_is_told(desk: Desk) -> None:
    made = []
    for hour in range(4):
        desk.add_hour(hour)
        made.append(desk.snapshot()["dataVersion"])
    desk.artifacts.mkdir()
    compact = ("compact", "--artifacts", desk.artifacts)
    assert desk.run(*compact)[0] == 0
    assert [desk.height(version) for version in made] == [3, 6, 9, 12]
    code, said = desk.run(*compact, "--keep-snapshots", 2)
    assert (code, desk.versions()) == (0, made[2:])
    assert said["filesRemoved"] > 0
    assert [gone(desk, version) for version in made] == [True, True, False, False]


def test_nothing_is_taken_in_or_removed_on_the_word_of_a_damaged_record(desk: Desk) -> None:
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
        code, said = command(*arguments)
        assert (code, said["reason"]) == (2, "SnapshotsDamaged"), arguments
        assert "snapshots.json cannot be read" in said["message"]
    assert tables == sorted(str(path) for path in desk.lake.rglob("*") if ".lock" not in path.name)
    (desk.lake / "snapshots.json").rename(desk.folder / "damaged.json")
    assert desk.snapshot()["rows"] == 6
    assert len(desk.versions()) == 1, "a new record starts"


def test_a_wrong_argument_is_told_before_anything_is_taken_in(desk: Desk) -> None:
    desk.add_hour(0)
    for arguments, reason in (
        (("--retention-hours", 23), "InvalidRetention"),
        (("--keep", "latest"), "DataVersionMissing"),
        (("--mapping", "{}"), "InvalidMapping"),
    ):
        code, said = desk.read("snapshot", *arguments)
        assert (code, said["reason"]) == (2, reason)
    assert not (desk.lake / "interactions").exists()


def test_a_damaged_manifest_stops_the_removal_and_not_the_snapshot(desk: Desk) -> None:
    desk.add_hour(0)
    desk.snapshot()
    publish(desk, "x")
    (desk.artifacts / "a1" / "manifest.json").write_text("{")
    desk.add_hour(1)
    code, said = desk.read("snapshot", "--keep-snapshots", 1, "--artifacts", desk.artifacts)
    assert (code, said["reason"]) == (2, "ArtifactInvalid")
    assert said["message"].startswith("the snapshot is recorded, but no file was removed")
    assert desk.versions() == [said["dataVersion"]]
    assert desk.height(said["dataVersion"]) == 6


def test_snapshots_prints_the_record(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.run("snapshots")[1]["reason"] == "DataMissing", "no such folder"
    desk.lake.mkdir()
    capsys.readouterr()
    assert desk.run("snapshots")[1]["snapshots"] == 0
    assert capsys.readouterr().out.startswith("TAKEN AT")
    desk.add_hour(0)
    said = desk.snapshot()
    desk.read("check", "--min-rows", 1)
    capsys.readouterr()
    code, told = desk.run("snapshots")
    assert (code, told["snapshots"]) == (0, 2)
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "TAKEN AT"
    assert first.split() == [
        "2026-01-31T01:00:00Z", said["dataVersion"], "3", "3", "0", "snapshot",
    ]  # fmt: skip
    assert second.split()[3:] == ["0", "0", "check"]
    desk.run("snapshots", "--json")
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert printed == json.loads((desk.lake / "snapshots.json").read_text())
