"""Runs the parts of the tests in sequence, and prints a table of results and durations.

`python -m tests.run` runs all parts, `python -m tests.run lint unit` the named ones. What is too
costly for every run is run only if it is named; the table of a full run says that it was not. A
failed part does not stop the others. Only the standard library is used, so that a broken
environment shows as a failed part and not as a traceback of this file.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import enum
import os
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
BIN = ".venv/bin"
REPORTS = "build/test"
#: The message of each failed test, and the table.
SUMMARY = f"{REPORTS}/summary.txt"
#: Exit status of pytest if the files contain no test.
NO_TESTS_COLLECTED = 5
#: Time limit of all parts together: builds from scratch need half of it, and the caller's limit is
#: 90 minutes.
TOTAL_SECONDS = 75 * 60.0
#: Time for a part to end after SIGTERM, in seconds.
GRACE_SECONDS = 20.0
#: Time to wait for the rest of the output of a finished command, in seconds.
DRAIN_SECONDS = 2.0
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
    #: Run only if it is named.
    on_demand: bool = False


class Result(enum.StrEnum):
    PASSED = "passed"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED OUT"
    #: There are no test files: neither passed nor failed.
    ABSENT = "absent"
    #: It is run only if it is named, and was not.
    NOT_ASKED = "not asked"


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


def pytest_part(
    name: str,
    limit_seconds: float,
    *options: str,
    path: str = "",
    before: tuple[tuple[str, ...], ...] = (),
    on_demand: bool = False,
) -> Part:
    """Return the part that runs all tests of a folder or file, with any marks."""
    tests = path or f"tests/{name}"
    command = (f"{BIN}/python", "-m", "pytest", tests, "--color=no", "--durations=25", *options)
    return Part(
        name=name,
        commands=(*before, command),
        limit_seconds=limit_seconds,
        folder=tests,
        on_demand=on_demand,
    )


#: Removes the API server of the integration tests, which start it.
WITHOUT_APISERVER = (f"{BIN}/python", "-m", "tests.cluster", "down", "--only-apiserver")
#: Reads the audit log of all other end-to-end tests, and so runs after them.
RIGHTS = "tests/e2e/test_rights.py"
#: Number of concurrent worlds of the end-to-end tests; three use three quarters of two cores. No
#: other part runs at the same time: the requests of a world's users must not wait for the CPU.
WORLDS = 3
PARTS = (
    Part(
        name="lint",
        commands=((f"{BIN}/ruff", "check", "."), (f"{BIN}/ruff", "format", "--check", ".")),
        limit_seconds=120,
    ),
    Part(
        name="types",
        commands=((f"{BIN}/python", "-m", "tests.checked_types"),),
        limit_seconds=600,
    ),
    Part(name="contracts", commands=((f"{BIN}/lint-imports",),), limit_seconds=120),
    pytest_part("unit", 1200, "-n", "2", "--dist", "worksteal"),
    pytest_part(
        "integration", 2400, "-n", "3", "--dist", "loadscope",
        # Its audit log shows which rights are used: on a new server, Leases are created too.
        before=(WITHOUT_APISERVER,),
    ),
    pytest_part(
        "e2e", 4000, "-v", "-n", str(WORLDS), "--dist", "loadscope", "--no-loadscope-reorder",
        f"--ignore={RIGHTS}",
        # The API server of the integration tests takes 5 % of the cores, also idle.
        before=(WITHOUT_APISERVER,),
    ),
    pytest_part("rights", 900, path=RIGHTS),
    # KEDA's build alone takes longer than any part above.
    pytest_part("keda", 4200, "-v", on_demand=True),
    pytest_part("keda_cluster", 2400, "-v", on_demand=True, before=(WITHOUT_APISERVER,)),
    pytest_part("envoy", 2400, "-v", on_demand=True),
)  # fmt: skip


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


def has_test_files(path: Path) -> bool:
    return path.is_file() or any(path.rglob("test_*.py"))


def run_part(part: Part, root: Path, reports: Path) -> Outcome:
    """Run a part's commands up to the first failure; print their output and write it to a log."""
    if part.folder is not None and not has_test_files(root / part.folder):
        return Outcome(part=part, result=Result.ABSENT, seconds=0, note="no test files")
    reports.mkdir(parents=True, exist_ok=True)
    junit = reports / f"{part.name}.xml"
    junit.unlink(missing_ok=True)
    began = time.monotonic()
    result, note = Result.PASSED, ""
    with (reports / f"{part.name}.log").open("wb") as log:
        for command in part.commands:
            reported = part.folder is not None and part.folder in command
            arguments = [*command, f"--junitxml={junit}"] if reported else list(command)
            left = part.limit_seconds - (time.monotonic() - began)
            status = stream(arguments, root, log, left)
            result, note = judge(part, status)
            if result is not Result.PASSED:
                break
    report = read_junit(junit) if part.folder else None
    if part.folder and report is None and result is Result.PASSED:
        result, note = Result.FAILED, "pytest wrote no report"
    return Outcome(
        part=part,
        result=result,
        seconds=time.monotonic() - began,
        counts=None if report is None else counted(report),
        note=note,
        failures=() if report is None else failures_of(report),
    )


def left_out(part: Part) -> Outcome:
    """Return the outcome of a part that a full run leaves out, so that the table names it."""
    note = f"not part of a full run: make {part.name}"
    return Outcome(part=part, result=Result.NOT_ASKED, seconds=0, note=note)


def judge(part: Part, status: int | None) -> tuple[Result, str]:
    """Return result and note for an exit status; None means that the time limit was exceeded."""
    if status is None:
        return Result.TIMED_OUT, f"time limit of {part.limit_seconds:.0f} s exceeded"
    if status == 0:
        return Result.PASSED, ""
    if part.folder and status == NO_TESTS_COLLECTED:
        return Result.FAILED, "test files without a test"
    return Result.FAILED, f"exit status {status}"


def stream(command: Sequence[str], root: Path, log: IO[bytes], limit: float) -> int | None:
    """Run a command, copy its output, and return its status, or None after `limit` seconds.

    A thread copies the output: a process that a test leaves behind keeps the pipe open, and this
    process must not wait for it.
    """
    if limit <= 0:
        return None
    print(f"$ {' '.join(command)}", flush=True)
    try:
        process = subprocess.Popen(
            command,
            cwd=root,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", flush=True)
        return 127
    assert process.stdout is not None
    copier = threading.Thread(target=_copy, args=(process.stdout, log), daemon=True)
    copier.start()
    try:
        status: int | None = process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        stop(process)
        status = None
    except BaseException:
        stop(process)
        raise
    copier.join(timeout=DRAIN_SECONDS)
    return status


def environment() -> dict[str, str]:
    """Return the environment of the commands."""
    own = {**os.environ, "PYTHONUNBUFFERED": "1"}
    # Later processes reuse the compiled files, which saves half of a worker's start time.
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    return own


def _copy(source: IO[bytes], log: IO[bytes]) -> None:
    # The log may be closed before the last process with the pipe ends.
    with source, contextlib.suppress(ValueError, OSError):
        while chunk := os.read(source.fileno(), 65536):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            log.write(chunk)
            log.flush()


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a command and its processes: with SIGTERM first, so that fixtures clean up."""
    for sign in (signal.SIGINT, signal.SIGTERM):
        _signal_group(process, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE_SECONDS)
            break
    # The rest of the process group, also if the command itself has ended.
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, sign)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the table of results and, in the last line, the sums over the pytest parts."""
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
    seconds = sum(outcome.seconds for outcome in outcomes)
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


def main(arguments: Sequence[str]) -> int:
    """Run the named parts, or all; return the exit status."""
    names = [part.name for part in PARTS]
    usual = [part.name for part in PARTS if not part.on_demand]
    parser = argparse.ArgumentParser(prog="tests.run", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(names)}")
    asked = parser.parse_args(arguments).parts
    wanted = asked or usual
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        parser.error(f"no part {', '.join(unknown)}: the parts are {', '.join(names)}")
    outcomes = []
    deadline = time.monotonic() + TOTAL_SECONDS
    for part in PARTS:
        if part.name in wanted:
            print(f"\n=== {part.name}", flush=True)
            limit = min(part.limit_seconds, max(deadline - time.monotonic(), 0))
            bounded = dataclasses.replace(part, limit_seconds=limit)
            outcomes.append(run_part(bounded, ROOT, ROOT / REPORTS))
        elif not asked:
            outcomes.append(left_out(part))
    summary = "\n".join(
        [*(failure for outcome in outcomes for failure in outcome.failures), table(outcomes)]
    )
    (ROOT / SUMMARY).parent.mkdir(parents=True, exist_ok=True)
    (ROOT / SUMMARY).write_text(f"{summary}\n", encoding="utf-8")
    print(f"\n{summary}", flush=True)
    return 1 if failed(outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
