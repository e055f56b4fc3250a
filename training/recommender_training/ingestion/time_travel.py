"""Find and check the data version of a lake at a past time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recommender_training.common.errors import InputError
from recommender_training.data import erasures, load, snapshots, time_format
from recommender_training.data.snapshots import Snapshot
from recommender_training.ingestion import ingest
from recommender_training.ingestion.quarantine_limits import Quarantined


def find_version(path: Path, as_of: str, now: int) -> Snapshot:
    """Return the newest snapshot of the lake at `path` up to a time of RFC 3339.

    `now` is in seconds since 1970. Raises InputError: InvalidAsOf, NoSnapshot, SnapshotsDamaged.
    """
    try:
        seconds = time_format.parse_time(as_of)
    except ValueError as error:
        raise InputError("InvalidAsOf", f"asOf: {error}; give date, time and zone") from error
    if seconds > now:
        raise InputError(
            "InvalidAsOf",
            f"asOf: {as_of} is in the future (now: {time_format.iso_time(now)}); give a past time",
        )
    recorded = snapshots.read_snapshots(path)
    found = snapshots.as_of(recorded, seconds)
    if found is None:
        since = erasures.read_erasures(path).since
        ended = ""
        if since is not None and seconds < since:
            ended = f" (an erasure on {time_format.iso_time(since)} ended those before it)"
        raise InputError(
            "NoSnapshot",
            f"no snapshot of {path} is as old as {as_of}: {snapshots.oldest_in_words(recorded)}"
            f"{ended}; give a later time; to keep older versions in future, set data.snapshots",
        )
    return found


def check_version(
    path: Path,
    data_version: str,
    *,
    window_days: int | None,
    min_rows: int,
    snapshot: Snapshot | None = None,
    quarantined: Quarantined | None = None,
) -> ingest.CheckResult:
    """Check a past data version of the lake at `path` as a check does new data.

    Reads no source. `snapshot` and `quarantined` are the records of its ingestion, if known.
    Raises InputError: DataVersionMissing, with the oldest snapshot, if the version is missing or
    its content has changed; NoRowsInWindow, TooFewRows, SnapshotsDamaged.
    """
    with _naming_the_oldest(path):
        start, end, rows = load.verify_version(path, data_version, window_days)
    result = ingest.CheckResult(
        data_version=data_version,
        rows=rows,
        quarantined_rows=_quarantined_rows(snapshot, quarantined),
        window_start=time_format.iso_time(start),
        window_end=time_format.iso_time(end),
        new_rows=0,
        quarantined=quarantined,
    )
    ingest.check_rows(result, min_rows)
    return result


def _quarantined_rows(snapshot: Snapshot | None, found: Quarantined | None) -> int | None:
    if snapshot is not None:
        return snapshot.quarantined_rows
    return None if found is None else sum(bad for bad, _ in found.quarantine.values())


@contextmanager
def _naming_the_oldest(path: Path) -> Iterator[None]:
    """Add the oldest snapshot to a DataVersionMissing error raised inside the block."""
    try:
        yield
    except InputError as error:
        if error.reason != "DataVersionMissing":
            raise
        oldest = snapshots.oldest_in_words(snapshots.read_snapshots(path))
        raise InputError(error.reason, f"{error.message}; {oldest}") from error
