"""What a lake held at a time: which data version is meant, and whether it is still there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recommender_training.common.errors import InputError
from recommender_training.data import load, snapshots, times
from recommender_training.data.snapshots import Snapshot
from recommender_training.ingestion import ingest
from recommender_training.ingestion.quarantine_limits import Aside


def find(path: Path, as_of: str, now: int) -> Snapshot:
    """The newest snapshot of the lake at `path` that is not after a time of RFC 3339.

    `now` is in seconds since 1970. Raises InputError: InvalidAsOf, NoSnapshot, SnapshotsDamaged.
    """
    try:
        seconds = times.parse_time(as_of)
    except ValueError as error:
        raise InputError("InvalidAsOf", f"asOf: {error}; give date, time and zone") from error
    if seconds > now:
        raise InputError(
            "InvalidAsOf",
            f"asOf: {as_of} is in the future of the clock ({times.iso_time(now)}), and rows may "
            "come until then; give a time that has been",
        )
    taken = snapshots.read(path)
    found = snapshots.as_of(taken, seconds)
    if found is None:
        raise InputError(
            "NoSnapshot",
            f"no snapshot of {path} is as old as {as_of}: {snapshots.oldest_in_words(taken)}; "
            "give a later time, or take snapshots (data.snapshots) to have older ones in future",
        )
    return found


def check(
    path: Path,
    data_version: str,
    *,
    window_days: int | None,
    min_rows: int,
    taken: Snapshot | None = None,
    aside: Aside | None = None,
) -> ingest.CheckResult:
    """Hold a data version of the lake at `path` to what a check holds new data to.

    No source is read. `taken` and `aside` are what is known of how the version was taken in.
    Raises InputError: DataVersionMissing where the version is not there or is not what it was,
    and says how far back one can go; NoRowsInWindow, TooFewRows, SnapshotsDamaged.
    """
    with _naming_the_oldest(path):
        start, end, rows = load.verify(path, data_version, window_days)
    result = ingest.CheckResult(
        data_version=data_version,
        rows=rows,
        quarantined_rows=_quarantined(taken, aside),
        window_start=times.iso_time(start),
        window_end=times.iso_time(end),
        new_rows=0,
        aside=aside,
    )
    ingest.check_rows(result, min_rows)
    return result


def _quarantined(taken: Snapshot | None, aside: Aside | None) -> int | None:
    if taken is not None:
        return taken.quarantined_rows
    return None if aside is None else sum(bad for bad, _ in aside.quarantine.values())


@contextmanager
def _naming_the_oldest(path: Path) -> Iterator[None]:
    """Within it, a data version that is not there is told with how far back one can go."""
    try:
        yield
    except InputError as error:
        if error.reason != "DataVersionMissing":
            raise
        oldest = snapshots.oldest_in_words(snapshots.read(path))
        raise InputError(error.reason, f"{error.message}; {oldest}") from error
