"""Commands on the record of snapshots: `snapshot` adds to it, `snapshots` shows it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from recommender_training import clock
from recommender_training.commands.outcome import Outcome
from recommender_training.data import compaction, ingest, lake
from recommender_training.data import snapshots as record
from recommender_training.data.mapping import Format, parse_mapping
from recommender_training.data.snapshots import By, Snapshot
from recommender_training.data_checks import files
from recommender_training.errors import InputError


def snapshot(arguments: argparse.Namespace) -> Outcome:
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
    files.write_aside(arguments.lake, taken.snapshot.data_version, taken.read.aside)
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
        keep = files.referenced(arguments.lake, artifacts, arguments.keep)
        done = compaction.compact(
            arguments.lake,
            keep=keep,
            max_files=compaction.MAX_FILES,
            retention_hours=arguments.retention_hours,
        )
    except InputError as error:
        message = f"the snapshot was taken, but no file was removed: {error.message}"
        raise InputError(error.reason, message, **fields) from error
    files.forget(arguments.lake, keep, clock.seconds() - 3600 * arguments.retention_hours)
    return done.files_removed


def snapshots(arguments: argparse.Namespace) -> Outcome:
    """Print the record of a lake, oldest first."""
    if not arguments.lake.is_dir():
        raise InputError("DataMissing", f"{arguments.lake} is no lake; name its folder")
    taken = record.read(arguments.lake)
    if arguments.json:
        sys.stdout.write(json.dumps(record.to_json(taken), indent=1) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _lines(taken))
    sys.stdout.flush()
    return f"{len(taken)} snapshots in {arguments.lake}", {"snapshots": len(taken)}


def _lines(taken: Sequence[Snapshot]) -> list[str]:
    """The record as a table."""
    head = ("TAKEN AT", "DATA VERSION", "ROWS", "NEW", "QUARANTINED", "BY")
    rows = [
        (each.time, each.data_version, each.rows, each.new_rows, each.quarantined_rows, each.by)
        for each in taken
    ]
    texts = [head, *(tuple(map(str, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return ["  ".join(_aligned(row, widths)).rstrip() for row in texts]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Texts to the left, numbers to the right."""
    numbers = range(2, 5)
    return [
        text.rjust(width) if place in numbers else text.ljust(width)
        for place, (text, width) in enumerate(zip(row, widths, strict=True))
    ]
