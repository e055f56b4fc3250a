"""What a check found, and how much of it fits the report of a Job."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from recommender_training.data_checks.policy import Level, Levels

#: Bytes of the report that findings may take; the rest of its 4096 holds version and message.
SUMMARY_BYTES = 1800
_MAX_TEXT = 160
_RANK = {"block": 0, "warn": 1, "pass": 2}


@dataclass(frozen=True)
class Finding:
    """One check of one feature of one table. `value`, `expected` and `remedy` are for people."""

    check: str
    table: str
    feature: str
    level: str  # pass, warn, block
    value: str
    expected: str
    remedy: str = ""

    @property
    def name(self) -> str:
        """The feature with its table."""
        return f"{self.table}.{self.feature}"

    def words(self) -> str:
        """The finding in one sentence; what blocks comes with its remedy."""
        told = f"{self.name} ({self.check}): {self.value}"
        if self.level != "block":
            return told
        return f"{told}, expected {self.expected} ({self.remedy})"

    def to_json(self) -> dict[str, str]:
        """All fields."""
        return asdict(self)


class Findings:
    """Collects findings at the level that the policy gives to each check."""

    def __init__(self, levels: Levels) -> None:
        self._levels = levels
        self.all: list[Finding] = []

    def add(
        self, check: str, feature: str, *, holds: bool, value: str, expected: str, remedy: str
    ) -> None:
        """Add what a check found; `feature` is `table.name`. Ignored checks leave nothing."""
        level = self._levels.of(check)
        if level is Level.IGNORE:
            return
        table, _, name = feature.partition(".")
        said = "pass" if holds else level.value.lower()
        told = "" if holds else remedy
        self.all.append(Finding(check, table, name, said, value, expected, told))


def worst(findings: Iterable[Finding]) -> str:
    """pass, warn or block."""
    return min((finding.level for finding in findings), key=_RANK.__getitem__, default="pass")


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """What blocks first, then what warns, then what holds; else in the order of the checks."""
    return sorted(findings, key=lambda finding: _RANK[finding.level])


def of_level(findings: Iterable[Finding], level: str) -> list[Finding]:
    """The findings of this level."""
    return [finding for finding in findings if finding.level == level]


def named(findings: Sequence[Finding], most: int = 5) -> str:
    """The findings in words, as many as `most`, and the number of the others."""
    told = [finding.words() for finding in findings[:most]]
    if len(findings) > most:
        told.append(f"and {len(findings) - most} more")
    return "; ".join(told)


def summary(findings: Sequence[Finding], compared_with: str | None) -> dict[str, object]:
    """`checks` of the report: counts, and the first findings that do not hold."""
    bad = [finding for finding in ranked(findings) if finding.level != "pass"]
    kept: list[dict[str, str]] = []
    for finding in bad:
        told = {key: text[:_MAX_TEXT] for key, text in finding.to_json().items()}
        if len(json.dumps([*kept, told]).encode()) > SUMMARY_BYTES:
            break
        kept.append(told)
    return {
        "level": worst(findings),
        "comparedWith": compared_with,
        "passed": len(of_level(findings, "pass")),
        "warned": len(of_level(findings, "warn")),
        "blocked": len(of_level(findings, "block")),
        "findings": kept,
        "more": len(bad) - len(kept),
    }
