"""The parts of the test runner, their results, and the table of these."""

from __future__ import annotations

import dataclasses
import enum
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

#: Characters of a failed test's message that the summary repeats.
MESSAGE_LENGTH = 600


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """Commands that pass or fail together, with a time limit."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    limit_seconds: float
    #: Folder or file of a pytest part. The command that names it gets `--junitxml`.
    folder: str | None = None
    #: Part beside which this one runs, with a low priority, if both are wanted.
    beside: str | None = None


class Result(enum.StrEnum):
    PASSED = "passed"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED OUT"
    #: There are no test files: neither passed nor failed.
    ABSENT = "absent"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            passed=self.passed + other.passed,
            failed=self.failed + other.failed,
            skipped=self.skipped + other.skipped,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    part: Part
    result: Result
    seconds: float
    #: None if the part is not a pytest part, or wrote no report.
    counts: Counts | None = None
    note: str = ""
    #: What went wrong, by failed test.
    failures: tuple[str, ...] = ()


def read_junit(report: Path) -> ET.Element | None:
    """Return a JUnit report; None if it is missing or invalid."""
    try:
        return ET.parse(report).getroot()
    except (OSError, ET.ParseError):
        return None


def counted(report: ET.Element) -> Counts:
    """Return the counts of a JUnit report."""
    counts = Counts()
    for suite in report.iter("testsuite"):
        tests, failed, skipped = (
            sum(int(suite.get(key, "0")) for key in keys)
            for keys in (("tests",), ("failures", "errors"), ("skipped",))
        )
        counts += Counts(passed=tests - failed - skipped, failed=failed, skipped=skipped)
    return counts


def failures_of(report: ET.Element) -> tuple[str, ...]:
    """Return the name and the start of the message of each failed test of a JUnit report."""
    found = []
    for case in report.iter("testcase"):
        for problem in (*case.findall("failure"), *case.findall("error")):
            name = f"{case.get('classname', '')}::{case.get('name', '')}"
            message = (problem.get("message") or problem.text or "").strip()
            found.append(f"{problem.tag.upper()} {name}\n  {message[:MESSAGE_LENGTH]}")
    return tuple(found)


def table(outcomes: Sequence[Outcome], seconds: float) -> str:
    """Return the table of results with the seconds of the whole, and the sums of the tests."""
    lines = [
        f"{'part':<12} {'result':<10} {'seconds':>8} {'passed':>7} {'failed':>7} {'skipped':>8}"
    ]
    total = Counts()
    for outcome in outcomes:
        counts = outcome.counts
        total += counts or Counts()
        cells = (counts.passed, counts.failed, counts.skipped) if counts else ("", "", "")
        line = f"{outcome.part.name:<12} {outcome.result:<10} {outcome.seconds:>8.1f}"
        line += f" {cells[0]:>7} {cells[1]:>7} {cells[2]:>8}  {outcome.note}"
        lines.append(line.rstrip())
    lines += [f"{'all':<12} {'':<10} {seconds:>8.1f}", ""]
    lines.append(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return "\n".join(lines)


def failed(outcomes: Sequence[Outcome]) -> bool:
    """Return whether the run failed, including failures in reports."""
    return any(
        outcome.result in (Result.FAILED, Result.TIMED_OUT)
        or (outcome.counts is not None and outcome.counts.failed > 0)
        for outcome in outcomes
    )
