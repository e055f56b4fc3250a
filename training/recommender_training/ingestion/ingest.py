"""Ingest raw files into the lake once, and record the new data version."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from recommender_contract.job_reports import CheckFields
from recommender_contract.resource.mapping import INTEGERS, Format
from recommender_training.common import clock
from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.data import (
    compaction,
    data_versions,
    lake,
    schema,
    schema_files,
    snapshots,
    splits,
    time_format,
    version_content,
)
from recommender_training.data.snapshots import By, Kept, Snapshot
from recommender_training.ingestion import (
    erase,
    erasure_list,
    id_table,
    mapped_ingest,
    quarantine_limits,
    raw,
    read_marks,
)
from recommender_training.ingestion.erased_users import ErasedUsers
from recommender_training.ingestion.mapping import Mapping


@dataclass(frozen=True)
class CheckResult:
    """What a check ingested, or found. Times are ISO 8601, UTC."""

    data_version: str
    rows: int
    quarantined_rows: int | None  # None: unknown
    window_start: str
    window_end: str
    new_rows: int
    quarantined: quarantine_limits.Quarantined | None  # None: unknown

    def fields(self, **more: Any) -> dict[str, Any]:
        """Return the fields of the report, and those that are given."""
        known = (
            {} if self.quarantined_rows is None else {"quarantined_rows": self.quarantined_rows}
        )
        return CheckFields(
            data_version=self.data_version,
            rows=self.rows,
            window_start=self.window_start,
            window_end=self.window_end,
            **known,
            **more,
        ).fields()


@dataclass(frozen=True)
class Recorded:
    """An ingestion, its snapshot, and the record of snapshots."""

    read: mapped_ingest.Ingested
    snapshot: Snapshot
    record: Kept


def record(
    source: Path,
    lake_path: Path,
    *,
    kind: Format,
    mapping: Mapping | None = None,
    max_quarantined_share: float = 0.01,
    by: By = By.SNAPSHOT,
    keep: int | None = None,
    now: int | None = None,
) -> Recorded:
    """Ingest what is new in `source` and record the new data version of the lake.

    Erases the users that the source lists as erased first, and keeps their rows out. Keeps the
    newest `keep` snapshots (None: all). The same files again change nothing and give the
    same version. All formats but MovieLens100K need a mapping, and it takes none. `now` is in
    seconds since 1970; later events are quarantined. Raises InputError with the reasons of
    docs/contracts.md.
    """
    say(f"{by}: reading {source}")
    with lake.locked(lake_path), read_marks.marking(source, lake_path, kind, mapping):
        snapshots.read_snapshots(lake_path)  # a damaged record must fail before the ingestion
        erase.erase(lake_path, erasure_list.read_erasure_list(source))
        started = clock.seconds() if now is None else now
        read = _read(source, lake_path, kind, mapping, max_quarantined_share, started)
        if not read.data_version:
            raise _nothing_usable()
        snapshot = Snapshot(
            # after reading: the snapshot holds no later file
            taken_at=clock.seconds() if now is None else now,
            data_version=read.data_version,
            rows=read.times.height,
            new_rows=read.new_rows,
            quarantined_rows=read.quarantined_rows,
            by=by,
        )
        kept = snapshots.add_snapshot(lake_path, snapshot, keep)
    say(f"{by}: {read.new_rows} new rows, version {read.data_version}")
    return Recorded(read, snapshot, kept)


def _read(
    source: Path,
    lake_path: Path,
    kind: Format,
    mapping: Mapping | None,
    max_quarantined_share: float,
    now: int,
) -> mapped_ingest.Ingested:
    if kind is Format.MOVIELENS_100K:
        if mapping is not None:
            raise InputError(
                "InvalidMapping",
                f"the format {kind} takes no mapping, because its columns are fixed: remove it, "
                "or give the format of the files that it maps",
            )
        return _movielens(source, lake_path, max_quarantined_share, now)
    if mapping is None:
        raise InputError("InvalidMapping", f"the format {kind} needs a mapping: give one")
    return mapped_ingest.ingest(source, lake_path, kind, mapping, max_quarantined_share, now)


def ingest_and_check(
    source: Path,
    lake_path: Path,
    *,
    kind: Format,
    mapping: Mapping | None = None,
    window_days: int | None = None,
    min_rows: int = 1,
    max_quarantined_share: float = 0.01,
    now: int | None = None,
) -> CheckResult:
    """Ingest `source` as `record` does, and compare the rows of the window with `min_rows`."""
    read = record(
        source,
        lake_path,
        kind=kind,
        mapping=mapping,
        max_quarantined_share=max_quarantined_share,
        by=By.CHECK,
        now=now,
    ).read
    start, end = window_bounds(read.times, window_days)
    result = CheckResult(
        data_version=read.data_version,
        rows=read.times.filter(pl.col("timestamp").is_between(start, end)).height,
        quarantined_rows=read.quarantined_rows,
        window_start=time_format.iso_time(start),
        window_end=time_format.iso_time(end),
        new_rows=read.new_rows,
        quarantined=read.quarantined,
    )
    check_rows(result, min_rows)
    return result


def check_rows(result: CheckResult, min_rows: int) -> None:
    """Raise InputError `TooFewRows` if the window has fewer rows."""
    if result.rows < min_rows:
        raise InputError(
            "TooFewRows",
            f"{result.rows} usable rows from {result.window_start} to {result.window_end}, fewer "
            f"than data.minRows={min_rows}; add data, lengthen data.window.days or lower "
            "data.minRows",
            **result.fields(),
        )


def _movielens(
    source: Path, lake_path: Path, max_share: float, now: int
) -> mapped_ingest.Ingested:
    lake.check_growth(lake_path, raw.declaration())
    id_table.check_kinds(lake_path, INTEGERS)
    data = _without_erased(lake_path, raw.read_source(source, now))
    say(f"check: {data.interactions.height} rows, {data.quarantine.height} quarantined")
    _quarantine(lake_path, data.quarantine)
    bad = dict(data.quarantine.group_by("table").len().iter_rows())
    tables = {"interactions": data.interactions, "users": data.users, "items": data.items}
    counts = [
        quarantine_limits.Count(name, rows.height, bad.get(name, 0))
        for name, rows in tables.items()
    ]
    reasons = Counter(data.quarantine["reason"].to_list())
    first = data.quarantine.row(0, named=True) if data.quarantine.height else None
    quarantine_limits.check_quarantine(counts, reasons, first, max_share, files="*.inter")
    data_version, interactions, new_rows = _ingest(lake_path, data)
    quarantined = quarantine_limits.quarantined(counts, reasons, counts[0].good + counts[0].bad)
    return mapped_ingest.Ingested(
        data_version, interactions, data.quarantine.height, new_rows, quarantined
    )


def _without_erased(path: Path, data: raw.RawData) -> raw.RawData:
    """Return data without the rows of users who were erased from the lake at `path`."""
    erased = ErasedUsers.of(path)
    interactions = erased.events(data.interactions)
    users = erased.users(data.users, path, interactions)
    erased.tell()
    return replace(
        data,
        interactions=interactions,
        users=users,
        quarantine=erased.quarantined(data.quarantine),
    )


def window_bounds(interactions: pl.DataFrame, window_days: int | None) -> tuple[int, int]:
    """Return first and last second of the last `window_days` up to the newest event."""
    if interactions.height == 0:
        raise _nothing_usable()
    seconds = interactions["timestamp"].to_numpy()
    return splits.window(int(seconds.min()), int(seconds.max()), window_days)


def _nothing_usable() -> InputError:
    return InputError("NoRowsInWindow", "no interaction is usable; see the quarantine table")


def _quarantine(path: Path, rows: pl.DataFrame) -> None:
    """Append rows that the quarantine table does not have yet."""
    _, present = lake.current(path, "quarantine", schema.QUARANTINE_SCHEMA)
    new = rows.join(present, on=list(schema.QUARANTINE_SCHEMA), how="anti")
    if new.height:
        lake.append(path, "quarantine", new, None)


def _ingest(path: Path, data: raw.RawData) -> tuple[str, pl.DataFrame, int]:
    """Write new rows, interactions last: after a crash, each interaction still has its user."""
    user_version, users = lake.merge(path, "users", data.users)
    item_version, items = lake.merge(path, "items", data.items)
    columns = schema.interactions_schema(raw.declaration())
    version, present = lake.current(path, "interactions", columns)
    event = ["user_id", "item_id", "value", "timestamp"]
    new = data.interactions.join(present, on=event, how="anti")
    if new.height:
        lake.append(path, "interactions", new, ["event_date", "segment"])
        compaction.compact_interactions(path)
        version = lake.newest(path, "interactions")
    merged = lake.sort("interactions", pl.concat([present, new]))
    if version is None:
        return "", merged, 0
    digest = version_content.Tables(merged, users, items, raw.declaration()).digest()
    name = data_versions.name_version(version, user_version, item_version, digest)
    schema_files.write_schema(path, name, raw.declaration())
    return name, merged, new.height
