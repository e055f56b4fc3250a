"""Run a command and turn its outcome into a report and an exit code.

Exit codes: 0 success; 2 invalid input, do not retry; 1 may be retried.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import Any, Protocol, cast

from recommender_training.cli import full_disk, termination_report
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.distributed import rank

SUCCESS, RETRYABLE, INVALID_INPUT = 0, 1, 2


class Command(Protocol):
    """A command: one module per command."""

    def add(self, verbs: Verbs) -> None:
        """Add the parser of the command."""
        ...

    def run(self, arguments: argparse.Namespace) -> Outcome:
        """Run the command; return its message and the fields of its report."""
        ...


#: Commands in the order of `--help`; the module of each has its name.
COMMANDS = (
    "init", "check", "snapshot", "snapshots", "compact", "erase", "train", "evaluate", "search",
    "run", "recalibrate", "recommend", "publish", "remove", "verify", "export", "report",
    "measure",
)  # fmt: skip


def command(name: str) -> Command:
    """Import a command: one that does not need PyTorch then starts 2 s of CPU earlier."""
    module: Any = importlib.import_module(f"recommender_training.cli.{name.replace('-', '_')}")
    return cast(Command, module)


def dispatch(arguments: argparse.Namespace) -> int:
    """Run a command, write its report, and return the exit code."""
    try:
        where = rank.rank_from_environment(os.environ)
        if where is not None and arguments.verb != "train":
            raise InputError(
                "InvalidEnvironment",
                f"{arguments.verb} runs in one process, but WORLD_SIZE={where.size}: start it "
                "without torchrun",
            )
    except InputError as error:
        code, report = _invalid_input(arguments.verb, error)
        _publish(arguments, report)
        return code
    if where is not None:
        return _distributed(arguments, where)
    code, report = _attempt(arguments)
    _publish(arguments, report)
    return code


def _distributed(arguments: argparse.Namespace, where: rank.Rank) -> int:
    from recommender_training.distributed import launch

    try:
        return launch.run_in_group(
            where, arguments, _attempt, functools.partial(_publish, arguments)
        )
    except Exception as error:  # the processes could not form a group
        code, report = _failed(arguments.verb, error)
        if where.rank == 0:
            _publish(arguments, report)
        else:
            launch.log(where, arguments.verb, report)
        return code


def _publish(arguments: argparse.Namespace, report: dict[str, object]) -> None:
    say(f"{arguments.verb}: {report['reason']}: {report['message']}")
    path: Path | None = getattr(arguments, "report", None)
    if path is not None:
        termination_report.write_report(path, report)


def _attempt(arguments: argparse.Namespace) -> tuple[int, dict[str, object]]:
    kind = arguments.verb
    try:
        message, fields = command(kind).run(arguments)
    except InputError as error:
        return _invalid_input(kind, error)
    except Exception as error:
        # The edge of the process: every error becomes a report; the traceback goes to the log.
        return _failed(kind, error)
    return SUCCESS, termination_report.build_report(
        kind, ok=True, reason="Done", message=message, **fields
    )


def _invalid_input(kind: str, error: InputError) -> tuple[int, dict[str, object]]:
    report = termination_report.build_report(
        kind, ok=False, reason=error.reason, message=error.message, **error.details
    )
    return INVALID_INPUT, report


def _failed(kind: str, error: Exception) -> tuple[int, dict[str, object]]:
    traceback.print_exception(error, file=sys.stderr)
    disk_full = full_disk.message(error)
    if disk_full is not None:
        return RETRYABLE, termination_report.build_report(
            kind, ok=False, reason="DiskFull", message=disk_full
        )
    text = f"{type(error).__name__}: {error}"
    return RETRYABLE, termination_report.build_report(
        kind, ok=False, reason="Failed", message=text
    )
