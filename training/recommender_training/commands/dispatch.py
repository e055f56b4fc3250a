"""Which command is run, and how its outcome becomes a report and an exit code."""

from __future__ import annotations

import argparse
import functools
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from recommender_training import reports
from recommender_training.commands import (
    artifacts,
    data,
    fitting,
    full_disk,
    samples,
    snapshots,
    whole,
)
from recommender_training.commands.outcome import Outcome
from recommender_training.distributed import place
from recommender_training.errors import InputError
from recommender_training.progress import say

DONE, MAY_BE_REPEATED, INPUT_AT_FAULT = 0, 1, 2


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
        reports.write(path, report)


def _attempt(arguments: argparse.Namespace) -> tuple[int, dict[str, object]]:
    kind = arguments.verb
    try:
        message, fields = _COMMANDS[kind](arguments)
    except InputError as error:
        return _refused(kind, error)
    except Exception as error:
        # The edge of the process: whatever happened becomes a report; the trace goes to the log.
        return _broken(kind, error)
    return DONE, reports.build(kind, ok=True, reason="Done", message=message, **fields)


def _refused(kind: str, error: InputError) -> tuple[int, dict[str, object]]:
    report = reports.build(
        kind, ok=False, reason=error.reason, message=error.message, **error.details
    )
    return INPUT_AT_FAULT, report


def _broken(kind: str, error: Exception) -> tuple[int, dict[str, object]]:
    traceback.print_exception(error, file=sys.stderr)
    room = full_disk.words(error)
    if room is not None:
        return MAY_BE_REPEATED, reports.build(kind, ok=False, reason="DiskFull", message=room)
    text = f"{type(error).__name__}: {error}"
    return MAY_BE_REPEATED, reports.build(kind, ok=False, reason="Failed", message=text)


_COMMANDS: dict[str, Callable[[argparse.Namespace], Outcome]] = {
    "check": data.check,
    "train": fitting.train,
    "evaluate": fitting.evaluate,
    "search": fitting.search,
    "compact": data.compact,
    "snapshot": snapshots.snapshot,
    "snapshots": snapshots.snapshots,
    "publish": artifacts.publish,
    "remove": artifacts.remove,
    "verify": artifacts.verify,
    "export": artifacts.export,
    "report": artifacts.report,
    "measure": artifacts.measure,
    "run": whole.run,
    "fetch-movielens": samples.fetch,
    "synthetic": samples.make_synthetic,
    "demo-data": samples.write_demo,
}
