"""A past data version is checked and trained on unchanged, regardless of later data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from recommender_contract.job_reports import SCHEMA
from recommender_examples import synthetic
from recommender_operator.api import report as operator_report
from recommender_training.cli import main
from recommender_training.common import clock
from recommender_training.data import compaction, lake, snapshots, version_content
from recommender_training.data_checks import lake_files
from tests.mapped_files import START, event
from tests.snapshot_desk import Desk

CONFIG = '{"algorithm": "LogisticRegression", "seed": 3}'
HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
#: 2026-11-26T05:00:03Z
TIME, HOUR = 1_795_669_203, 3600


class Shop:
    """A source in the MovieLens format that grows, its lake, and the command line."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.raw, self.lake, self.folder, self.now = folder / "raw", folder / "lake", folder, TIME
        synthetic.generate(self.raw, synthetic.Size(users=40, items=30, interactions=600), seed=2)
        patch.setattr(clock, "seconds", lambda: self.now)

    def run(self, command: str, *arguments: object) -> tuple[int, dict[str, Any]]:
        path = self.folder / "report.json"
        code = main.main([*map(str, [command, "--lake", self.lake, *arguments, "--report", path])])
        return code, json.loads(path.read_text())

    def check(self, *arguments: object) -> tuple[int, dict[str, Any]]:
        """A check of the source, or of what is named."""
        of = arguments or ("--source", self.raw, "--format", "MovieLens100K")
        return self.run("check", *of, "--min-rows", 100, "--window-days", 3000)

    def train(self, data_version: str) -> str:
        """The digest of what is trained on a data version."""
        output = self.folder / "staged"
        shutil.rmtree(output, ignore_errors=True)
        code, answer = self.run(
            "train", "--data-version", data_version, "--window-days", 3000, "--config", CONFIG,
            "--output", output,
        )  # fmt: skip
        assert code == 0, answer
        return str(answer["digest"])

    def grow(self, name: str, first: int) -> None:
        """Sixty more events from this second on, and users of whom other things are known."""
        rows = [f"{1 + n % 40}\t{1 + n % 30}\t{1 + n % 5}\t{first + 61 * n}\n" for n in range(60)]
        (self.raw / f"{name}.inter").write_text(HEADER + "".join(rows))
        path = self.raw / "synthetic.user"
        head, *users = path.read_text().splitlines()
        fields = [user.split("\t") for user in users]
        edited = ["\t".join([*each[:3], name, *each[4:]]) for each in fields]
        path.write_text("\n".join([head, *edited, ""]))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(compaction, "MIN_RETENTION_HOURS", 0)
    return Shop(tmp_path, monkeypatch)


def rows(path: Path, data_version: str) -> version_content.Tables:
    return version_content.read_version(path, data_version)


def test_as_of_an_old_snapshot_rows_profile_findings_and_artifact_are_those_of_that_time(
    shop: Shop,
) -> None:
    code, then = shop.check()
    assert code == 0
    version = str(then["dataVersion"])
    written = {path.name: path.read_bytes() for path in (shop.lake / "checks" / version).iterdir()}
    before, digest = rows(shop.lake, version), shop.train(version)
    oldest = int(before.interactions["timestamp"].to_numpy().min())
    newest = int(before.interactions["timestamp"].to_numpy().max())
    for number, (name, first) in enumerate((("new", newest + 60), ("late", oldest + 30))):
        shop.now += HOUR
        shop.grow(name, first)
        source = ("--source", shop.raw, "--format", "MovieLens100K")
        code, answer = shop.run("snapshot", *source, "--keep-snapshots", 3)
        assert (code, answer["newRows"]) == (0, 60), answer
        assert answer["rows"] == 600 + 60 * (number + 1)
    lake_files.write_trained(shop.lake, str(answer["dataVersion"]))
    compaction.compact_interactions(shop.lake, max_files=1)
    kept = lake_files.referenced(shop.lake, None, [])
    assert compaction.compact(shop.lake, keep=kept, retention_hours=0).partitions == 0
    shutil.rmtree(shop.lake / "checks" / version)
    (shop.lake / "checks" / version).mkdir()
    for name in ("aside.json", "findings-3000d.json"):  # the profile is built again
        (shop.lake / "checks" / version / name).write_bytes(written[name])

    for of in (("--as-of", "2026-11-26T05:30:00Z"), ("--data-version", version)):
        code, again = shop.check(*of)
        assert code == 0
        expected = {key: value for key, value in then.items() if key != "message"}
        assert expected.items() == {k: v for k, v in again.items() if k != "message"}.items()
        assert operator_report.parse(operator_report.CheckReport, again).rows == 600
        folder = shop.lake / "checks" / version
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == written
    now = rows(shop.lake, version)
    assert now.interactions.equals(before.interactions)
    assert now.users.equals(before.users)
    assert shop.train(version) == digest
    assert len(snapshots.read_snapshots(shop.lake)) == 3, "a check of the past is no snapshot"
    assert (
        rows(shop.lake, str(answer["dataVersion"])).users["occupation"].to_list() == ["late"] * 40
    )


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk with snapshots of one o'clock to four o'clock, of 40 rows more each."""
    found = Desk(tmp_path, monkeypatch)
    for hour in range(4):
        found.add_hour(hour, rows=40)
        found.snapshot()
    return found


def test_a_time_selects_the_newest_snapshot_up_to_it(desk: Desk) -> None:
    versions = desk.versions()
    for time, number in (("01:00:00Z", 0), ("02:59:59Z", 1), ("04:00:00+01:00", 2)):
        code, answer = desk.run("check", "--as-of", f"2026-01-31T{time}", "--min-rows", 1)
        assert (code, answer["dataVersion"]) == (0, versions[number])
        assert (answer["rows"], answer["quarantinedRows"]) == (40 * (number + 1), 0)
        assert f"{versions[number]} of 2026-01-31T0{number + 1}:00:00Z" in answer["message"]
    for time, reason in (
        ("2026-01-31T00:59:59Z", "NoSnapshot"),
        ("2026-01-31T04:00:01Z", "InvalidAsOf"),
        ("2026-01-31", "InvalidAsOf"),
    ):
        code, answer = desk.run("check", "--as-of", time)
        assert (code, answer["reason"]) == (2, reason)
    assert desk.versions() == versions


def test_a_past_version_gets_the_same_checks_as_new_data(desk: Desk) -> None:
    desk.add_events(*(event(1, n, START + n) for n in range(30)))
    only_one_user = desk.read("check", "--min-rows", 1, "--max-quarantined-share", 1)[1]
    past = ("check", "--data-version", desk.versions()[0])
    code, answer = desk.run(*past, "--min-rows", 41)
    assert (code, answer["reason"], answer["rows"]) == (2, "TooFewRows", 40)
    assert answer["dataVersion"] == desk.versions()[0]
    code, answer = desk.run(*past, "--min-rows", 1, "--against", only_one_user["dataVersion"])
    assert (code, answer["reason"]) == (2, "DataChecksFailed")
    assert "interactions.rows (volume)" in answer["message"]
    assert answer["schema"] == SCHEMA
    assert answer["checks"]["comparedWith"] == only_one_user["dataVersion"]


def test_quarantined_rows_are_reported_as_at_that_time(desk: Desk) -> None:
    desk.add_events(*(event("x", n, START + n) for n in range(3)), event(999, 9, START + 9))
    made = desk.snapshot(30, "--max-quarantined-share", 1)
    assert made["quarantinedRows"] == 3
    past = ("check", "--data-version", made["dataVersion"], "--min-rows", 1)
    assert desk.run(*past)[1]["quarantinedRows"] == 3
    (desk.lake / "snapshots.json").unlink()
    assert desk.run(*past)[1]["quarantinedRows"] == 3, "as the check of it has noted"
    shutil.rmtree(desk.lake / "checks")
    assert "quarantinedRows" not in desk.run(*past)[1], "unknown"


def test_the_default_reference_of_a_past_version_is_not_newer(desk: Desk) -> None:
    first, second, third, _ = desk.versions()
    lake_files.write_trained(desk.lake, third)
    past = ("check", "--data-version", second, "--min-rows", 1)
    answer = desk.run(*past)[1]
    assert answer["checks"]["comparedWith"] is None
    assert "not compared, since no reference" in answer["message"]
    shutil.rmtree(desk.lake / "checks")
    lake_files.write_trained(desk.lake, first)
    assert desk.run(*past)[1]["checks"]["comparedWith"] == first
    lake_files.write_trained(desk.lake, third)
    assert desk.run(*past)[1]["checks"]["comparedWith"] == first, "as in its last check"
    assert desk.run(*past, "--against", third)[1]["checks"]["comparedWith"] == third


def test_a_removed_or_unknown_version_is_reported_with_the_oldest_snapshot(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MIN_RETENTION_HOURS", 0)
    versions = desk.versions()
    oldest = f"the oldest snapshot is {versions[2]} of 2026-01-31T03:00:00Z"
    with lake.locked(desk.lake):
        snapshots.trim(desk.lake, 2)
    compaction.compact(desk.lake, keep=versions[2:], retention_hours=0)
    numbers = versions[3].split("-")[0]
    for gone in (versions[0], f"{numbers}-0123456789abcdef", "i99.u0.t0-0123456789abcdef", "new"):
        code, answer = desk.run("check", "--data-version", gone, "--min-rows", 1)
        assert (code, answer["reason"]) == (2, "DataVersionMissing"), gone
        assert answer["message"].endswith(oldest)
    assert desk.run("check", "--data-version", versions[2], "--min-rows", 1)[0] == 0
    for file in (desk.lake / "interactions").rglob("*.parquet"):
        file.unlink()
    code, answer = desk.run("check", "--as-of", "2026-01-31T03:00:00Z", "--min-rows", 1)
    assert (code, answer["reason"]) == (2, "DataVersionMissing")


def test_a_check_without_new_files_has_the_duplicates_of_the_snapshot(
    desk: Desk,
) -> None:
    lake_files.write_trained(desk.lake, desk.versions()[-1])
    rows = [event(900 + n % 7, n, START + n) for n in range(12)]
    desk.add_events(*rows, *rows, event(999, 8, START + 8))
    desk.snapshot(30, "--max-quarantined-share", 1)
    code, answer = desk.read("check", "--min-rows", 1, "--max-quarantined-share", 1)
    assert code == 0
    assert "interactions.rows (duplicates): 12 of 25 rows are duplicates" in answer["message"]
