"""`remove`: remove files and folders below a root."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_contract.job_reports import RemoveFields
from recommender_training.artifact import removal
from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome


def add(verbs: Verbs) -> None:
    """Add the command."""
    remove = options.verb(verbs, "remove", "remove files or folders below a root")
    remove.add_argument("--root", type=Path, required=True)
    remove.add_argument(
        "--owner", default="", metavar="TIME/UID",
        help="the model whose files they are; those of a newer model are not removed",
    )  # fmt: skip
    remove.add_argument("paths", nargs="+", metavar="PATH", help="relative to the root")
    options.add_report(remove)


def run(arguments: argparse.Namespace) -> Outcome:
    """Remove files and folders below a root."""
    removed = removal.remove(arguments.root, arguments.paths, arguments.owner)
    message = f"removed {len(removed)} of {len(arguments.paths)} paths"
    return message, RemoveFields(removed=tuple(removed)).fields()
