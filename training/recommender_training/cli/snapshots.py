"""`snapshots`: print the record of the snapshots of a lake."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.common.errors import InputError
from recommender_training.data import snapshots as record
from recommender_training.data.snapshots import Snapshot


def add(verbs: Verbs) -> None:
    """Add the command."""
    command = options.verb(verbs, "snapshots", "print the record of the snapshots of a lake")
    options.lake(command)
    command.add_argument("--json", action="store_true", help="print JSON")
    options.add_report(command)


def run(arguments: argparse.Namespace) -> Outcome:
    """Print the snapshots of a lake, oldest first."""
    if not arguments.lake.is_dir():
        raise InputError("DataMissing", f"{arguments.lake} is not a lake; give the folder of one")
    recorded = record.read_snapshots(arguments.lake)
    if arguments.json:
        sys.stdout.write(json.dumps(record.to_json(recorded), indent=1) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _lines(recorded))
    sys.stdout.flush()
    return f"{len(recorded)} snapshots in {arguments.lake}", {"snapshots": len(recorded)}


def _lines(recorded: Sequence[Snapshot]) -> list[str]:
    """Return the record as a table, one text per line."""
    head = ("TAKEN AT", "DATA VERSION", "ROWS", "NEW", "QUARANTINED", "BY")
    rows = [
        (each.time, each.data_version, each.rows, each.new_rows, each.quarantined_rows, each.by)
        for each in recorded
    ]
    texts = [head, *(tuple(map(str, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return ["  ".join(_aligned(row, widths)).rstrip() for row in texts]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Align texts left and numbers right."""
    numbers = range(2, 5)
    return [
        text.rjust(width) if place in numbers else text.ljust(width)
        for place, (text, width) in enumerate(zip(row, widths, strict=True))
    ]
