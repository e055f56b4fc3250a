"""Runs the parts of the tests and ends with a table of what each took.

`python -m tests.run` runs all of them, `python -m tests.run lint unit` the named ones. Those of
the cluster mostly wait and those of the cores compute, so the two kinds run side by side; the
parts of a kind run one after another. A part that fails does not stop those behind it. Only the
standard library is used, so that a broken environment shows as a failing part and not as a
traceback of this file.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import enum
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.commands import Commands, Output, Screen, StoppedError

ROOT = Path(__file__).resolve().parent.parent
BIN = ".venv/bin"
#: Exit status of pytest when it found files, but not one test in them.
NO_TESTS_COLLECTED = 5
#: The longest time that all parts together may take: builds from nothing take half of it, and
#: what calls this has 90 minutes.
TOTAL_SECONDS = 70 * 60.0
#: For the parts beside those of the cluster, whose users must not wait for an answer: a third of
#: the weight, which leaves enough for tests that have time-outs of their own.
NICE = 5


class Kind(enum.Enum):
    """What the parts of a kind share; parts of different kinds can run side by side."""

    CLUSTER = enum.auto()
    CORES = enum.auto()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """Commands that pass or fail together, and the longest time that they may take."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    limit_seconds: float
    #: Folder or file of a pytest part; its command is the pytest, which gets `--junitxml`.
    folder: str | None = None
    kind: Kind = Kind.CORES


class Result(enum.StrEnum):
    PASSED = "passed"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED OUT"
    #: No test file is there yet: neither good nor bad, but never "passed".
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
    #: None for a part that is not a pytest, or whose pytest wrote no report.
    counts: Counts | None = None
    note: str = ""


def pytest_part(
    name: str, limit_seconds: float, *options: str, path: str = "", kind: Kind = Kind.CORES
) -> Part:
    """Return the part that runs all tests of a folder or file, whatever their marks."""
    tests = path or f"tests/{name}"
    command = (f"{BIN}/python", "-m", "pytest", tests, "--color=no", "--durations=5", *options)
    return Part(
        name=name, commands=(command,), limit_seconds=limit_seconds, folder=tests, kind=kind
    )


#: Looks at what all other end-to-end tests left in the audit log, and so runs after them.
RIGHTS = "tests/e2e/test_rights.py"
#: Worlds of the end-to-end tests that live side by side.
WORLDS = 3
PARTS = (
    Part(
        name="lint",
        commands=((f"{BIN}/ruff", "check", "."), (f"{BIN}/ruff", "format", "--check", ".")),
        limit_seconds=240,
    ),
    Part(name="types", commands=((f"{BIN}/mypy",),), limit_seconds=900),
    Part(name="contracts", commands=((f"{BIN}/lint-imports",),), limit_seconds=240),
    pytest_part("unit", 900, "-n", "2", "--dist", "worksteal"),
    pytest_part("integration", 2400, "-n", "2", "--dist", "loadscope"),
    pytest_part(
        "e2e", 4000, "-v", "-n", str(WORLDS), "--dist", "loadscope", "--no-loadscope-reorder",
        f"--ignore={RIGHTS}", kind=Kind.CLUSTER,
    ),
    pytest_part("rights", 900, path=RIGHTS, kind=Kind.CLUSTER),
)  # fmt: skip


def read_junit(report: Path) -> Counts | None:
    """Return the counts of a JUnit report, or None when there is none that can be read."""
    try:
        root = ET.parse(report).getroot()
    except (OSError, ET.ParseError):
        return None
    counts = Counts()
    for suite in root.iter("testsuite"):
        tests, failed, skipped = (
            sum(int(suite.get(key, "0")) for key in keys)
            for keys in (("tests",), ("failures", "errors"), ("skipped",))
        )
        counts += Counts(passed=tests - failed - skipped, failed=failed, skipped=skipped)
    return counts


def has_test_files(path: Path) -> bool:
    return path.is_file() or any(path.rglob("test_*.py"))


class Run:
    """One run of several parts, and the time by which all of them have to be through."""

    def __init__(self, root: Path, reports: Path, *, total_seconds: float = TOTAL_SECONDS) -> None:
        self.root, self.reports = root, reports
        self.deadline = time.monotonic() + total_seconds
        self.screen = Screen()
        self.commands = Commands()

    def all(self, parts: Sequence[Part]) -> list[Outcome]:
        """Run the parts, those of different kinds side by side; outcomes in their order."""
        lanes = [[part for part in parts if part.kind is kind] for kind in Kind]
        lanes = [lane for lane in lanes if lane]
        with ThreadPoolExecutor(max(len(lanes), 1)) as pool:
            futures = [pool.submit(self._lane, lane, lane is lanes[0]) for lane in lanes]
            try:
                outcomes = [outcome for future in futures for outcome in future.result()]
            except BaseException:
                self.commands.stop()
                raise
        return sorted(outcomes, key=lambda outcome: parts.index(outcome.part))

    def _lane(self, parts: Sequence[Part], first: bool) -> list[Outcome]:
        """Run parts one after another; those of the first lane are shown as they run."""
        outcomes = []
        for part in parts:
            with contextlib.suppress(StoppedError):
                outcomes.append(self.part(part, live=first, nice=0 if first else NICE))
        return outcomes

    def part(self, part: Part, *, live: bool = True, nice: int = 0) -> Outcome:
        """Run a part's commands until one fails; their output goes to the screen and to a log.

        Args:
            live: show the output as it comes; else in one piece at the end.
            nice: how far its commands stand back behind those of other parts.
        """
        if part.folder is not None and not has_test_files(self.root / part.folder):
            return Outcome(part=part, result=Result.ABSENT, seconds=0, note="no test files")
        self.screen.say(f"\n=== {part.name}" + ("" if live else ": shown when it ends"))
        junit = self.reports / f"{part.name}.xml"
        junit.unlink(missing_ok=True)
        output = Output(self.screen, self.reports / f"{part.name}.log", live)
        began = time.monotonic()
        limit = max(min(part.limit_seconds, self.deadline - began), 0)
        result, note = Result.PASSED, ""
        try:
            for command in part.commands:
                arguments = [*command, *([f"--junitxml={junit}"] if part.folder else [])]
                status = self.commands.run(arguments, self.root, output, began + limit, nice=nice)
                result, note = judge(part, status, limit)
                if result is not Result.PASSED:
                    break
        finally:
            if not live:
                self.screen.say(f"\n=== {part.name}")
            output.close()
        counts = read_junit(junit) if part.folder else None
        if part.folder and counts is None and result is Result.PASSED:
            result, note = Result.FAILED, "pytest wrote no report"
        seconds = time.monotonic() - began
        return Outcome(part=part, result=result, seconds=seconds, counts=counts, note=note)


def judge(part: Part, status: int | None, limit: float) -> tuple[Result, str]:
    """Say what an exit status means; None stands for a part that ran out of time."""
    if status is None:
        return Result.TIMED_OUT, f"limit {limit:.0f} s"
    if status == 0:
        return Result.PASSED, ""
    if part.folder and status == NO_TESTS_COLLECTED:
        return Result.FAILED, "test files without a test"
    return Result.FAILED, f"exit status {status}"


def table(outcomes: Sequence[Outcome], seconds: float) -> str:
    """Return the closing table and, as the last line, the sums over the pytest parts.

    Args:
        seconds: that all took together, which is less than their sum when some ran side by side.
    """
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
    """Say whether the run as a whole failed: also when a report names a failure."""
    return any(
        outcome.result in (Result.FAILED, Result.TIMED_OUT)
        or (outcome.counts is not None and outcome.counts.failed > 0)
        for outcome in outcomes
    )


def main(arguments: Sequence[str]) -> int:
    """Run the named parts, or all; return the exit status."""
    names = [part.name for part in PARTS]
    parser = argparse.ArgumentParser(prog="tests.run", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(names)}")
    wanted = parser.parse_args(arguments).parts or names
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        parser.error(f"no part {', '.join(unknown)}: the parts are {', '.join(names)}")
    began = time.monotonic()
    run = Run(ROOT, ROOT / "build" / "test")
    outcomes = run.all([part for part in PARTS if part.name in wanted])
    print(f"\n{table(outcomes, time.monotonic() - began)}", flush=True)
    return 1 if failed(outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
