"""`check` compares with the last training, warns or blocks, and writes its findings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from recommender_examples import synthetic
from recommender_operator.api import report as operator_report
from recommender_training.cli import main
from recommender_training.data_checks import lake_files

HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"


class Desk:
    """A source of one's own, its lake, and the command."""

    def __init__(self, folder: Path) -> None:
        self.raw, self.lake, self.folder = folder / "raw", folder / "lake", folder
        synthetic.generate(self.raw, synthetic.Size(users=40, items=30, interactions=600), seed=2)

    def check(self, *arguments: object) -> tuple[int, dict[str, Any]]:
        path = self.folder / "report.json"
        source = ["--source", self.raw, "--format", "MovieLens100K"]
        command = ["check", *source, "--lake", self.lake, "--report", path]
        code = main.main([*map(str, [*command, "--min-rows", 100, *arguments])])
        assert len(path.read_bytes()) <= 4096
        return code, json.loads(path.read_text())

    def trained(self) -> str:
        """Check, and note the version as trained on; a training does that when it has ended."""
        version = str(self.check()[1]["dataVersion"])
        lake_files.write_trained(self.lake, version)
        return version

    def edit_users(self, column: int, value: str) -> None:
        path = self.raw / "synthetic.user"
        head, *rows = path.read_text().splitlines()
        fields = [row.split("\t") for row in rows]
        edited = ["\t".join([*row[:column], value, *row[column + 1 :]]) for row in fields]
        path.write_text("\n".join([head, *edited, ""]))

    def findings(self, version: str) -> dict[str, Any]:
        path = self.lake / "checks" / version / "findings.json"
        content: dict[str, Any] = json.loads(path.read_text())
        return content


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_lost_values_block_and_report_and_file_name_them(desk: Desk) -> None:
    before = desk.trained()
    desk.edit_users(1, "")
    code, answer = desk.check()
    assert (code, answer["ok"], answer["reason"]) == (2, False, "DataChecksFailed")
    assert "users.age (lost)" in answer["message"]
    assert "data.checks.levels.lost: Warn" in answer["message"]
    assert answer["checks"]["findings"][0]["feature"] == "age"
    assert (answer["checks"]["blocked"], answer["checks"]["comparedWith"]) == (1, before)
    whole = desk.findings(answer["dataVersion"])
    assert (whole["level"], whole["comparedWith"]) == ("block", before)
    assert whole["findings"][0]["check"] == "lost"
    assert len(whole["findings"]) == sum(
        answer["checks"][level] for level in ("passed", "warned", "blocked")
    )


def test_findings_at_level_warn_pass_and_the_operator_can_read_them(desk: Desk) -> None:
    before = desk.trained()
    desk.edit_users(1, "")
    code, answer = desk.check("--checks", '{"levels": {"lost": "Warn"}}')
    assert code == 0
    assert "users.age (lost): null in 100.00% of the rows" in answer["message"]
    found = operator_report.parse(operator_report.CheckReport, answer).checks
    assert found is not None
    assert found.compared_with == before
    assert ("users", "age") in {(each.table, each.feature) for each in found.findings}
    assert found.warned >= len(found.findings) > 0


def test_the_reference_is_the_last_training_not_the_last_check(desk: Desk) -> None:
    """Else a source that breaks a little more each day would never be found."""
    before = desk.trained()
    desk.edit_users(3, "pilot")
    for _ in range(2):
        _, answer = desk.check()
        assert answer["checks"]["comparedWith"] == before
        assert "'pilot'" in answer["message"]


def test_a_given_reference_without_a_profile_is_profiled_again(desk: Desk) -> None:
    first = str(desk.check()[1]["dataVersion"])
    shutil.rmtree(desk.lake / "checks")
    desk.edit_users(3, "pilot")
    second = str(desk.check()[1]["dataVersion"])
    lake_files.write_trained(desk.lake, second)
    _, answer = desk.check("--against", first)
    assert answer["checks"]["comparedWith"] == first
    assert "'pilot'" in answer["message"]
    assert desk.check()[1]["checks"]["level"] == "pass"


def test_without_a_reference_only_the_window_is_checked(
    desk: Desk,
) -> None:
    for arguments in ((), ("--against", "i7.u0.t0-0123456789abcdef")):
        code, answer = desk.check(*arguments)
        assert (code, answer["checks"]["comparedWith"]) == (0, None)
        assert "not compared, since no reference" in answer["message"]
        assert answer["checks"]["passed"] == 16


def test_a_shrunken_window_blocks_with_the_limit(desk: Desk) -> None:
    desk.trained()
    late = 950_000_000  # two years after all others, so a window of 90 days has these alone
    rows = [f"{1 + n % 40}\t{1 + n % 30}\t{3 + n % 2}\t{late + n * 60}\n" for n in range(120)]
    (desk.raw / "late.inter").write_text(HEADER + "".join(rows))
    code, answer = desk.check("--window-days", 90)
    assert (code, answer["reason"]) == (2, "DataChecksFailed")
    assert "interactions.rows (volume): 120 in the window" in answer["message"]
    assert desk.check("--window-days", 90, "--checks", '{"maxVolumeDrop": 1}')[0] == 0


def test_more_duplicates_than_before_warn(desk: Desk) -> None:
    desk.trained()
    path = desk.raw / "synthetic.inter"
    rows = path.read_text().splitlines()
    (desk.raw / "twice.inter").write_text(HEADER + "\n".join(rows[1:25]) + "\n")
    code, answer = desk.check("--max-quarantined-share", 0.1)
    assert code == 0
    assert "interactions.rows (duplicates): 24 of 624 rows are duplicates" in answer["message"]


def test_a_damaged_or_outdated_profile_is_rebuilt(desk: Desk) -> None:
    """Types have other names in another version of polars: that is no change of the data."""
    version = desk.trained()
    desk.edit_users(3, "pilot")
    path = desk.lake / "checks" / version / "profile.json"
    whole = path.read_bytes()
    other = whole.replace(b'"Int64"', b'"int64"').replace(b'"polars": "', b'"polars": "0.')
    assert other != whole
    for damaged in (whole[:100], b"[]", other):
        path.write_bytes(damaged)
        _, answer = desk.check()
        assert (answer["checks"]["comparedWith"], answer["checks"]["blocked"]) == (version, 0)
        assert path.read_bytes() == whole
