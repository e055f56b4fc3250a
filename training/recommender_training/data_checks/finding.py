"""Findings of the data checks, and their summary for the report of a Job."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from recommender_contract.job_reports import CheckFinding, CheckSummary
from recommender_contract.resource.checks import CheckLevel, CheckLevels

#: Most bytes for findings; the rest of the report's 4096 is for version and message.
SUMMARY_BYTES = 1800
_MAX_TEXT = 160
_RANK = {"block": 0, "warn": 1, "pass": 2}


@dataclass(frozen=True)
class Finding:
    """Result of a check of one feature. `value`, `expected` and `remedy` are texts for people."""

    check: str
    table: str
    feature: str
    level: str  # pass, warn, block
    value: str
    expected: str
    remedy: str = ""

    @property
    def name(self) -> str:
        """`<table>.<feature>`."""
        return f"{self.table}.{self.feature}"

    def text(self) -> str:
        """Return the finding as one sentence, with the remedy if it blocks."""
        sentence = f"{self.name} ({self.check}): {self.value}"
        if self.level != "block":
            return sentence
        return f"{sentence}, expected {self.expected} ({self.remedy})"

    def to_json(self) -> dict[str, str]:
        """Return all fields."""
        return asdict(self)


class Findings:
    """Collects findings with the level that the policy sets for each check."""

    def __init__(self, levels: CheckLevels) -> None:
        self._levels = levels
        self.all: list[Finding] = []

    def add(
        self, check: str, feature: str, *, holds: bool, value: str, expected: str, remedy: str
    ) -> None:
        """Add a finding; `feature` is `event_features.name`. Skips ignored checks."""
        level = self._levels.of(check)
        if level is CheckLevel.IGNORE:
            return
        table, _, name = feature.partition(".")
        result = "pass" if holds else level.value.lower()
        advice = "" if holds else remedy
        self.all.append(Finding(check, table, name, result, value, expected, advice))


def worst(findings: Iterable[Finding]) -> str:
    """Return the worst level: pass, warn or block."""
    return min((finding.level for finding in findings), key=_RANK.__getitem__, default="pass")


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """Sort findings: block, warn, pass; within a level in the order of the checks."""
    return sorted(findings, key=lambda finding: _RANK[finding.level])


def of_level(findings: Iterable[Finding], level: str) -> list[Finding]:
    """Return the findings of a level."""
    return [finding for finding in findings if finding.level == level]


def named(findings: Sequence[Finding], most: int = 5) -> str:
    """Return up to `most` findings as text, and the number of the others."""
    texts = [finding.text() for finding in findings[:most]]
    if len(findings) > most:
        texts.append(f"and {len(findings) - most} more")
    return "; ".join(texts)


def findings_summary(findings: Sequence[Finding], compared_with: str | None) -> CheckSummary:
    """Return `checks` of the report: counts, and the first findings that do not pass."""
    bad = [finding for finding in ranked(findings) if finding.level != "pass"]
    kept: list[dict[str, Any]] = []
    for finding in bad:
        entry = {key: text[:_MAX_TEXT] for key, text in finding.to_json().items()}
        if len(json.dumps([*kept, entry]).encode()) > SUMMARY_BYTES:
            break
        kept.append(entry)
    return CheckSummary(
        level=worst(findings),
        compared_with=compared_with,
        passed=len(of_level(findings, "pass")),
        warned=len(of_level(findings, "warn")),
        blocked=len(of_level(findings, "block")),
        findings=tuple(CheckFinding(**each) for each in kept),
        more=len(bad) - len(kept),
    )
