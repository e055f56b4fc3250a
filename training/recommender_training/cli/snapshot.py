"""`snapshot`: ingest new rows into the lake, record the data version, watch it by segment."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_contract.job_reports import SnapshotFields
from recommender_contract.resource.mapping import Format
from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.common import clock
from recommender_training.common.errors import InputError
from recommender_training.data import compaction, data_versions
from recommender_training.data.snapshots import By
from recommender_training.data_checks import lake_files, segment_watch
from recommender_training.data_checks.policy import Watch, parse_watch
from recommender_training.ingestion import ingest


def add(verbs: Verbs) -> None:
    """Add the command."""
    snapshot = options.verb(
        verbs,
        "snapshot",
        "ingest raw files into the lake, record the new data version, and remove files that only "
        "expired snapshots needed",
    )
    options.raw_data(snapshot)
    options.lake(snapshot)
    snapshot.add_argument(
        "--keep-snapshots",
        type=options.positive,
        default=30,
        metavar="N",
        help="keep the newest N snapshots (default: 30)",
    )
    snapshot.add_argument(
        "--artifacts", type=Path, help="<claim>/artifacts/<model>, read only; may be missing"
    )
    options.vacuum_limits(snapshot)
    snapshot.add_argument(
        "--against",
        metavar="VERSION",
        help="compare the sessions since this data version with its own, by segment",
    )
    snapshot.add_argument(
        "--window-days",
        type=options.positive,
        metavar="N",
        help="of --against use only the last N days (default: all)",
    )
    snapshot.add_argument(
        "--drift",
        default="{}",
        metavar="JSON",
        help="alpha, effectFloor and consecutiveWindows of `spec.retrain.drift` for --against "
        "(default: {})",
    )
    options.add_report(snapshot)


def run(arguments: argparse.Namespace) -> Outcome:
    """Ingest new rows, record the data version, and drop expired snapshots."""
    kind = Format(arguments.format)
    mapping = options.add_mapping(arguments, kind)
    watch = parse_watch(arguments.drift)
    compaction.check_retention(arguments.retention_hours)
    for version in arguments.keep:
        data_versions.table_versions(version)
    recorded = ingest.record(
        arguments.source,
        arguments.lake,
        kind=kind,
        mapping=mapping,
        max_quarantined_share=arguments.max_quarantined_share,
        by=By.SNAPSHOT,
        keep=arguments.keep_snapshots,
    )
    snapshot = recorded.snapshot
    lake_files.write_quarantined(arguments.lake, snapshot.data_version, recorded.read.quarantined)
    kept, dropped = recorded.record.snapshots, recorded.record.dropped
    watched = _watch(arguments, watch, snapshot.data_version)
    fields = SnapshotFields.model_validate(
        snapshot.to_json() | {"snapshots": len(kept), "oldest": kept[0].time}
    )
    if watched is not None:
        fields = fields.model_copy(update={"segments": watched.summary()})
    removed = _remove_expired(arguments, fields.fields()) if dropped else 0
    message = (
        f"{snapshot.data_version}: {snapshot.rows} rows, {snapshot.new_rows} of them new, "
        f"{snapshot.quarantined_rows} quarantined; {len(kept)} snapshots kept, {removed} files "
        "removed"
    )
    if watched is not None:
        message += f"; {watched.text()}"
    return message, fields.model_copy(update={"files_removed": removed}).fields()


def _watch(
    arguments: argparse.Namespace, watch: Watch, data_version: str
) -> segment_watch.Watched | None:
    """Compare with `--against` by segment; None if there is nothing to compare."""
    if arguments.against is None:
        return None
    return segment_watch.watch_segments(
        arguments.lake, data_version, arguments.against, watch, arguments.window_days
    )


def _remove_expired(arguments: argparse.Namespace, fields: dict[str, object]) -> int:
    """Remove files that only dropped snapshots needed; return their number.

    Compacts a partition at the same number of files as a check does: kept versions share their
    small files, and each rewrite of a partition would be kept with them.
    """
    artifacts: Path | None = arguments.artifacts
    if artifacts is not None and not artifacts.exists():
        artifacts = None  # nothing published yet
    try:
        keep = lake_files.referenced(arguments.lake, artifacts, arguments.keep)
        done = compaction.compact(
            arguments.lake,
            keep=keep,
            max_files=compaction.MAX_FILES,
            retention_hours=arguments.retention_hours,
        )
    except InputError as error:
        message = f"the snapshot is recorded, but no file was removed: {error.message}"
        raise InputError(error.reason, message, **fields) from error
    lake_files.forget(arguments.lake, keep, clock.seconds() - 3600 * arguments.retention_hours)
    return done.files_removed
