"""`snapshot`: take new rows into the lake, and record the data version."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.common import clock
from recommender_training.common.errors import InputError
from recommender_training.data import compaction, lake
from recommender_training.data.snapshots import By
from recommender_training.data_checks import lake_files
from recommender_training.ingestion import ingest
from recommender_training.ingestion.mapping import Format, parse_mapping


def add(verbs: Verbs) -> None:
    """Add the command."""
    snapshot = options.verb(
        verbs,
        "snapshot",
        "ingest raw files into the lake, record the data version that it then has, and remove "
        "files that only older entries of the record needed",
    )
    options.raw_data(snapshot)
    options.lake(snapshot)
    snapshot.add_argument(
        "--keep-snapshots",
        type=options.positive,
        default=30,
        metavar="N",
        help="entries of the record that stay, the newest (default: 30)",
    )
    snapshot.add_argument(
        "--artifacts", type=Path, help="<claim>/artifacts/<model>; only read, and may be missing"
    )
    options.vacuum_limits(snapshot)
    options.report(snapshot)


def run(arguments: argparse.Namespace) -> Outcome:
    """Take new rows into the lake, record the data version, and let go of the oldest ones."""
    kind = Format(arguments.format)
    mapping = parse_mapping(arguments.mapping, kind)
    compaction.check_retention(arguments.retention_hours)
    for version in arguments.keep:
        lake.table_versions(version)
    taken = ingest.take_in(
        arguments.source,
        arguments.lake,
        kind=kind,
        mapping=mapping,
        max_quarantined_share=arguments.max_quarantined_share,
        by=By.SNAPSHOT,
        keep=arguments.keep_snapshots,
    )
    lake_files.write_aside(arguments.lake, taken.snapshot.data_version, taken.read.aside)
    kept, dropped = taken.record.snapshots, taken.record.dropped
    fields = {
        **taken.snapshot.to_json(),
        "snapshots": len(kept),
        "oldest": kept[0].time,
    }
    del fields["by"]
    removed = _let_go(arguments, fields) if dropped else 0
    message = (
        f"{taken.snapshot.data_version}: {taken.snapshot.rows} rows, {taken.snapshot.new_rows} of "
        f"them new, {taken.snapshot.quarantined_rows} quarantined; {len(kept)} snapshots kept, "
        f"{removed} files removed"
    )
    return message, {**fields, "filesRemoved": removed}


def _let_go(arguments: argparse.Namespace, fields: dict[str, object]) -> int:
    """Remove what only entries needed that are no longer in the record; the number of files.

    Partitions are compacted from the same number of files on as in a check: versions that are kept
    share their small files, and each rewriting of a partition would be kept with them.
    """
    artifacts: Path | None = arguments.artifacts
    if artifacts is not None and not artifacts.exists():
        artifacts = None  # nothing was published yet
    try:
        keep = lake_files.referenced(arguments.lake, artifacts, arguments.keep)
        done = compaction.compact(
            arguments.lake,
            keep=keep,
            max_files=compaction.MAX_FILES,
            retention_hours=arguments.retention_hours,
        )
    except InputError as error:
        message = f"the snapshot was taken, but no file was removed: {error.message}"
        raise InputError(error.reason, message, **fields) from error
    lake_files.forget(arguments.lake, keep, clock.seconds() - 3600 * arguments.retention_hours)
    return done.files_removed
