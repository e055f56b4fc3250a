"""Which command is run, and how its outcome becomes a report and an exit code."""

from __future__ import annotations

import argparse
import functools
import os
import sys
import traceback
from pathlib import Path
from typing import Protocol

from recommender_training.cli import (
    check,
    compact,
    demo_data,
    evaluate,
    export,
    fetch_movielens,
    full_disk,
    measure,
    publish,
    remove,
    report,
    run,
    search,
    shop,
    snapshot,
    snapshots,
    synthetic,
    termination_report,
    train,
    verify,
)
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.distributed import place

DONE, MAY_BE_REPEATED, INPUT_AT_FAULT = 0, 1, 2


class Command(Protocol):
    """A command of the command line; each is a module."""

    def add(self, verbs: Verbs) -> None:
        """Add its arguments."""
        ...

    def run(self, arguments: argparse.Namespace) -> Outcome:
        """Do its work."""
        ...


#: In the order of `--help`.
COMMANDS: dict[str, Command] = {
    "check": check,
    "snapshot": snapshot,
    "snapshots": snapshots,
    "compact": compact,
    "train": train,
    "evaluate": evaluate,
    "search": search,
    "run": run,
    "publish": publish,
    "remove": remove,
    "verify": verify,
    "export": export,
    "report": report,
    "measure": measure,
    "fetch-movielens": fetch_movielens,
    "synthetic": synthetic,
    "shop": shop,
    "demo-data": demo_data,
}


def dispatch(arguments: argparse.Namespace) -> int:
    """Run the command of these arguments, write its report, return the exit code."""
    try:
        where = place.find(os.environ)
        if where is not None and arguments.verb != "train":
            raise InputError(
                "InvalidEnvironment",
                f"{arguments.verb} is the work of one process, and WORLD_SIZE={where.size}: start "
                "it without torchrun",
            )
    except InputError as error:
        code, report = _refused(arguments.verb, error)
        _tell(arguments, report)
        return code
    if where is not None:
        return _together(arguments, where)
    code, report = _attempt(arguments)
    _tell(arguments, report)
    return code


def _together(arguments: argparse.Namespace, where: place.Place) -> int:
    from recommender_training.distributed import together

    try:
        return together.run(where, arguments, _attempt, functools.partial(_tell, arguments))
    except Exception as error:  # they never met
        code, report = _broken(arguments.verb, error)
        if where.rank == 0:
            _tell(arguments, report)
        else:
            together.log(where, arguments.verb, report)
        return code


def _tell(arguments: argparse.Namespace, report: dict[str, object]) -> None:
    say(f"{arguments.verb}: {report['reason']}: {report['message']}")
    path: Path | None = getattr(arguments, "report", None)
    if path is not None:
        termination_report.write(path, report)


def _attempt(arguments: argparse.Namespace) -> tuple[int, dict[str, object]]:
    kind = arguments.verb
    try:
        message, fields = COMMANDS[kind].run(arguments)
    except InputError as error:
        return _refused(kind, error)
    except Exception as error:
        # The edge of the process: whatever happened becomes a report; the trace goes to the log.
        return _broken(kind, error)
    return DONE, termination_report.build(kind, ok=True, reason="Done", message=message, **fields)


def _refused(kind: str, error: InputError) -> tuple[int, dict[str, object]]:
    report = termination_report.build(
        kind, ok=False, reason=error.reason, message=error.message, **error.details
    )
    return INPUT_AT_FAULT, report


def _broken(kind: str, error: Exception) -> tuple[int, dict[str, object]]:
    traceback.print_exception(error, file=sys.stderr)
    room = full_disk.words(error)
    if room is not None:
        return MAY_BE_REPEATED, termination_report.build(
            kind, ok=False, reason="DiskFull", message=room
        )
    text = f"{type(error).__name__}: {error}"
    return MAY_BE_REPEATED, termination_report.build(kind, ok=False, reason="Failed", message=text)
