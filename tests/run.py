"""Runs the parts of the tests, and prints a table of results and durations.

`python -m tests.run` runs all parts, `python -m tests.run lint unit` the named ones. Parts run in
sequence, but some use the cores that another part leaves idle; their output follows its output. A
failed part does not stop the others. Only the standard library is used, so that a broken
environment shows as a failed part and not as a traceback of this file.
"""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tests import run_commands
from tests.run_results import (
    Outcome,
    Part,
    Result,
    counted,
    failed,
    failures_of,
    read_junit,
    table,
)

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


def pytest_part(
    name: str,
    limit_seconds: float,
    *options: str,
    path: str = "",
    before: tuple[tuple[str, ...], ...] = (),
    beside: str | None = None,
) -> Part:
    """Return the part that runs all tests of a folder or file, with any marks."""
    tests = path or f"tests/{name}"
    command = (f"{BIN}/python", "-m", "pytest", tests, "--color=no", "--durations=25", *options)
    return Part(
        name=name,
        commands=(*before, command),
        limit_seconds=limit_seconds,
        folder=tests,
        beside=beside,
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
    Part(name="contracts", commands=((f"{BIN}/lint-imports",),), limit_seconds=120),
    Part(name="types", commands=((f"{BIN}/mypy",),), limit_seconds=1200, beside="integration"),
    pytest_part("unit", 2400, "-n", "2", "--dist", "worksteal", beside="integration"),
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
)  # fmt: skip


def has_test_files(path: Path) -> bool:
    return path.is_file() or any(path.rglob("test_*.py"))


def run_part(part: Part, root: Path, reports: Path, *, aside: bool = False) -> Outcome:
    """Run a part's commands up to the first failure; print their output and write it to a log.

    `aside`: with a low priority, and only to the log.
    """
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
            status = run_commands.stream(arguments, root, log, left, aside=aside)
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


def judge(part: Part, status: int | None) -> tuple[Result, str]:
    """Return result and note for an exit status; None means that the time limit was exceeded."""
    if status is None:
        return Result.TIMED_OUT, f"time limit of {part.limit_seconds:.0f} s exceeded"
    if status == 0:
        return Result.PASSED, ""
    if part.folder and status == NO_TESTS_COLLECTED:
        return Result.FAILED, "test files without a test"
    return Result.FAILED, f"exit status {status}"


def run_beside(part: Part, others: Sequence[Part], root: Path, reports: Path) -> list[Outcome]:
    """Run a part, and beside it others in sequence, whose output follows; return all outcomes."""
    found: list[Outcome] = []
    ended = threading.Event()

    def work() -> None:
        for other in others:
            if ended.is_set():
                return
            found.append(run_part(other, root, reports, aside=True))

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        own = run_part(part, root, reports)
        worker.join()
    except BaseException:
        ended.set()
        run_commands.stop_aside()
        raise
    for outcome in found:
        print(f"\n=== {outcome.part.name}, beside {part.name}", flush=True)
        log = reports / f"{outcome.part.name}.log"
        print(log.read_text(encoding="utf-8", errors="replace") if log.exists() else "")
    return [*found, own]


def run_all(parts: Sequence[Part], deadline: float) -> list[Outcome]:
    """Run parts until a deadline of the monotonic clock; return their outcomes in this order."""
    names = [part.name for part in parts]
    found: list[Outcome] = []
    for part in parts:
        if part.beside in names:
            continue
        left = max(deadline - time.monotonic(), 0)
        own, *others = (
            dataclasses.replace(each, limit_seconds=min(each.limit_seconds, left))
            for each in (part, *(other for other in parts if other.beside == part.name))
        )
        print(f"\n=== {part.name}", flush=True)
        found += run_beside(own, others, ROOT, ROOT / REPORTS)
    return sorted(found, key=lambda outcome: names.index(outcome.part.name))


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
    outcomes = run_all([part for part in PARTS if part.name in wanted], began + TOTAL_SECONDS)
    times = table(outcomes, time.monotonic() - began)
    summary = "\n".join([*(failure for each in outcomes for failure in each.failures), times])
    (ROOT / SUMMARY).parent.mkdir(parents=True, exist_ok=True)
    (ROOT / SUMMARY).write_text(f"{summary}\n", encoding="utf-8")
    print(f"\n{summary}", flush=True)
    return 1 if failed(outcomes) else 0


def end_when_terminated() -> None:
    """End the running commands on SIGTERM too: they have sessions of their own."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


if __name__ == "__main__":
    end_when_terminated()
    sys.exit(main(sys.argv[1:]))
