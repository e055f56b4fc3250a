"""`compact`: merge small files of a lake, and remove files that nothing needs."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.data import compaction, lake, snapshots
from recommender_training.data_checks import lake_files


def add(verbs: Verbs) -> None:
    """Add the command."""
    command = options.verb(
        verbs,
        "compact",
        "merge the small files of each partition of a lake, and remove files that no artifact, "
        "snapshot, version of --keep or recent version needs",
    )
    options.lake(command)
    command.add_argument(
        "--artifacts", type=Path, required=True, help="<claim>/artifacts/<model>, read only"
    )
    command.add_argument(
        "--keep-snapshots",
        type=options.positive,
        metavar="N",
        help="keep only the newest N entries of the record of snapshots (default: all)",
    )
    options.vacuum_limits(command)
    options.add_report(command)


def run(arguments: argparse.Namespace) -> Outcome:
    """Merge small files, and remove files that nothing needs."""
    compaction.check_retention(arguments.retention_hours)
    if arguments.keep_snapshots is not None and arguments.lake.is_dir():
        with lake.locked(arguments.lake):
            snapshots.trim(arguments.lake, arguments.keep_snapshots)
    done = compaction.compact(
        arguments.lake,
        keep=lake_files.referenced(arguments.lake, arguments.artifacts, arguments.keep),
        retention_hours=arguments.retention_hours,
    )
    message = f"{done.partitions} partitions compacted, {done.files_removed} files removed"
    return message, {"partitions": done.partitions, "filesRemoved": done.files_removed}
