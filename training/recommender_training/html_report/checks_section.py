"""The section on the data: findings of the last check before the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recommender_training.html_report import tables, words
from recommender_training.html_report.markup import Markup, join, tag

_Report = Mapping[str, Any]

#: Result of a finding on the page; findings that pass are grey.
_RESULTS = {"pass": "passed", "warn": "warning", "block": "blocked"}


def render_checks(found: _Report) -> list[Markup | None]:
    """Return the summary and the table of the section, from `dataChecks` of the report."""
    rows = [_row(finding) for finding in found["findings"]]
    head = ["Feature", "Check", "Result", "Found", "Limit"]
    return [tag("p", _summary(found)), tables.table(head, rows) if rows else None]


def _summary(found: _Report) -> str:
    levels = [finding["level"] for finding in found["findings"]]
    counted = [_counted(level, levels.count(level)) for level in _RESULTS if level in levels]
    window = found["windowDays"]
    rows = "all rows" if window is None else f"the last {words.count(window)} days"
    against = found["comparedWith"]
    compared = "not compared with a reference" if against is None else f"compared with {against}"
    results = ", ".join(counted) if counted else "no findings"
    return f"Checked before the training ({rows}, {compared}): {results}."


def _counted(level: str, count: int) -> str:
    plural = "s" if level == "warn" and count > 1 else ""
    return f"{count} {_RESULTS[level]}{plural}"


def _row(finding: _Report) -> Markup:
    level = str(finding["level"])
    remedy = tag("small", str(finding["remedy"])) if finding["remedy"] else None
    return tables.row(
        f"{finding['table']}.{finding['feature']}",
        str(finding["check"]),
        _RESULTS[level],
        str(finding["value"]),
        join(str(finding["expected"]), remedy),
        class_="few" if level == "pass" else None,
    )
