"""The findings of the data check are in the version's report and on its page."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.artifact import manifest
from recommender_training.data_checks import lake_files
from recommender_training.data_checks.finding import Finding
from recommender_training.html_report import checks_section, tables
from recommender_training.html_report.markup import join
from recommender_training.html_report.render import render

VERSION = "i1.u0.t0-0123456789abcdef"
FOUND = [
    Finding("labels", "interactions", "value[test]", "pass", "5 of 9 rows positive", "both"),
    Finding("shift", "sessions", "age", "warn", "0.21", "at most 0.1", "look at the age"),
    Finding("lost", "users", "gender", "block", "no value", "values", "mend the join"),
]


def written(lake: Path, days: int | None) -> Path:
    return lake_files.write_findings(
        lake, {"dataVersion": VERSION, "windowDays": days}, None, FOUND
    )


def entry(findings: list[Finding], against: str | None = None) -> dict[str, Any]:
    rows = [finding.to_json() for finding in findings]
    return {"windowDays": None, "comparedWith": against, "level": "warn", "findings": rows}


def test_the_findings_of_the_version_and_the_window_are_read_back(tmp_path: Path) -> None:
    written(tmp_path, 90)
    assert lake_files.read_findings(tmp_path, VERSION, None) is None, "another window"
    assert lake_files.read_findings(tmp_path, "i2.u0.t0-0123456789abcdef", 90) is None
    found = lake_files.read_findings(tmp_path, VERSION, 90)
    assert found is not None
    assert (found["level"], found["windowDays"], found["comparedWith"]) == ("block", 90, None)
    assert [each["check"] for each in found["findings"]] == ["lost", "shift", "labels"]
    assert set(found) == {"level", "windowDays", "comparedWith", "findings"}


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": "recommender.dev/data-checks/v9"}'])
def test_unreadable_findings_are_none_and_fail_no_training(tmp_path: Path, content: str) -> None:
    written(tmp_path, None).write_text(content)
    assert lake_files.read_findings(tmp_path, VERSION, None) is None


def test_every_finding_is_a_row_with_its_value_and_its_limit() -> None:
    page = join(*checks_section.render_checks(entry(FOUND))).source
    rows = re.findall(r"<tr.*?</tr>", page)[1:]
    assert len(rows) == 3
    assert rows[0] == (
        '<tr class="few"><td>interactions.value[test]</td><td>labels</td><td>passed</td>'
        "<td>5 of 9 rows positive</td><td>both</td></tr>"
    )
    assert (
        "<td>warning</td><td>0.21</td><td>at most 0.1<small>look at the age</small></td>" in page
    )
    assert "1 passed, 1 warning, 1 blocked." in page
    assert "not compared with a reference" in page
    assert (
        f"compared with {VERSION}"
        in join(*checks_section.render_checks(entry([], VERSION))).source
    )


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)


@given(text=st.text(min_size=1) | st.just("<script>alert('x')</script>"))
def test_values_of_the_data_never_become_markup(text: str) -> None:
    def tags(word: str) -> list[str]:
        finding = Finding("categories", "users", word, "warn", word, word, word)
        return Tags(join(*checks_section.render_checks(entry([finding]))).source).names

    assert tags(text) == tags("plain")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"compared": True, "sawTestRows": 1200, "unknownItemRows": 3},
            "1,200; its metrics are too good",
        ),
        ({"compared": True, "sawTestRows": 0, "unknownItemRows": 3}, "<dd>0</dd>"),
        ({"compared": True, "sawTestRows": None, "unknownItemRows": 3}, "<dd>unknown</dd>"),
        ({"compared": False}, "<dd>no; see the Job"),
    ],
)
def test_the_page_says_how_many_test_rows_the_champion_was_fitted_on(
    facts: dict[str, Any], words: str
) -> None:
    page = tables.champion({"digest": "sha256:ab", **facts}).source
    assert words in page
    assert ("Rows of the test window" in page) == facts["compared"]


def test_a_version_trained_without_a_check_has_no_such_section(trained: Any) -> None:
    page = (trained.staged / "report.html").read_text()
    assert "<h2>Data</h2>" not in page
    report = json.loads((trained.staged / "report.json").read_text())
    facts = manifest.verify_artifact(trained.staged)
    shown = render({**report, "dataChecks": entry(FOUND)}, facts).decode()
    assert shown.index("<h2>Data</h2>") < shown.index("<h2>User segments</h2>")
    assert shown == render({**report, "dataChecks": entry(FOUND)}, facts).decode()
