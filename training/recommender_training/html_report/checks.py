"""The part of the page on the data: what its last check found before the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recommender_training.html_report import tables, words
from recommender_training.html_report.markup import Markup, join, tag

_Report = Mapping[str, Any]

#: What a finding is called on the page; those that hold are in grey.
_RESULTS = {"pass": "holds", "warn": "warns", "block": "blocks"}


def parts(found: _Report) -> list[Markup | None]:
    """The sentence and the table of the section, from `dataChecks` of the report."""
    rows = [_row(finding) for finding in found["findings"]]
    head = ["Feature", "Check", "Result", "Found", "Limit"]
    return [tag("p", _summary(found)), tables.table(head, rows) if rows else None]


def _summary(found: _Report) -> str:
    levels = [finding["level"] for finding in found["findings"]]
    counted = [f"{levels.count(level)} {_plural(level)}" for level in _RESULTS if level in levels]
    window = found["windowDays"]
    days = "all of it" if window is None else f"its last {words.count(window)} days"
    against = found["comparedWith"]
    other = (
        "with nothing, for nothing was trained before" if against is None else f"with {against}"
    )
    said = ", ".join(counted) if counted else "no finding"
    return f"Checked before the training, {days}, and compared {other}: {said}."


def _plural(level: str) -> str:
    return {"pass": "hold", "warn": "warn", "block": "block"}[level]


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
