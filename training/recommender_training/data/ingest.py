"""`check`: bring raw files into the lake, once, and say whether they are fit to train on."""

from __future__ import annotations

import datetime
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recommender_training.data import (
    compaction,
    id_table,
    lake,
    mapped,
    raw,
    schema,
    shares,
    splits,
)
from recommender_training.data.mapping import INTEGERS, Format, Mapping
from recommender_training.errors import InputError
from recommender_training.progress import say


@dataclass(frozen=True)
class CheckResult:
    """What the report of `check` says. Times are ISO 8601, UTC."""

    data_version: str
    rows: int
    quarantined_rows: int
    window_start: str
    window_end: str
    new_rows: int
    aside: shares.Aside

    def fields(self) -> dict[str, object]:
        """The report's fields."""
        return {
            "dataVersion": self.data_version,
            "rows": self.rows,
            "quarantinedRows": self.quarantined_rows,
            "windowStart": self.window_start,
            "windowEnd": self.window_end,
        }


def check(
    source: Path,
    lake_path: Path,
    *,
    kind: Format = Format.MOVIELENS_100K,
    mapping: Mapping | None = None,
    window_days: int | None = None,
    min_rows: int = 1,
    max_quarantined_share: float = 0.01,
    now: int | None = None,
) -> CheckResult:
    """Ingest `source` into the lake and check it.

    Reading the same files again changes nothing and gives the same version. All formats but
    MovieLens100K need a mapping. `now` is in seconds since 1970; later events are put aside.
    Raises InputError with the reasons of docs/contracts.md.
    """
    say(f"check: reading {source}")
    now = int(time.time()) if now is None else now
    with lake.locked(lake_path):
        if mapping is None:
            read = _movielens(source, lake_path, max_quarantined_share, now)
        else:
            read = mapped.ingest(source, lake_path, kind, mapping, max_quarantined_share, now)
    say(f"check: {read.new_rows} new rows, version {read.data_version}")
    start, end = window_bounds(read.times, window_days)
    rows = read.times.filter(pl.col("timestamp").is_between(start, end)).height
    result = CheckResult(
        read.data_version,
        rows,
        read.quarantined_rows,
        iso_time(start),
        iso_time(end),
        read.new_rows,
        read.aside,
    )
    if rows < min_rows:
        raise InputError(
            "TooFewRows",
            f"{rows} usable rows from {iso_time(start)} to {iso_time(end)}, at least {min_rows} "
            "are wanted; add data, lengthen data.window.days or lower data.minRows",
            **result.fields(),
        )
    return result


def _movielens(source: Path, lake_path: Path, max_share: float, now: int) -> mapped.Ingested:
    id_table.check_kinds(lake_path, INTEGERS)
    data = raw.read_source(source, now)
    say(f"check: {data.interactions.height} rows, {data.quarantine.height} quarantined")
    _quarantine(lake_path, data.quarantine)
    bad = dict(data.quarantine.group_by("table").len().iter_rows())
    tables = {"interactions": data.interactions, "users": data.users, "items": data.items}
    counts = [shares.Count(name, rows.height, bad.get(name, 0)) for name, rows in tables.items()]
    reasons = Counter(data.quarantine["reason"].to_list())
    first = data.quarantine.row(0, named=True) if data.quarantine.height else None
    shares.check(counts, reasons, first, max_share, files="*.inter")
    data_version, interactions, new_rows = _ingest(lake_path, data)
    aside = shares.aside(counts, reasons, counts[0].good + counts[0].bad)
    return mapped.Ingested(data_version, interactions, data.quarantine.height, new_rows, aside)


def window_bounds(interactions: pl.DataFrame, window_days: int | None) -> tuple[int, int]:
    """First and last second of the window: the last `window_days` up to the newest event."""
    if interactions.height == 0:
        raise InputError(
            "NoRowsInWindow", "there is no usable interaction at all; see the quarantine table"
        )
    times = interactions["timestamp"].to_numpy()
    return splits.window(int(times.min()), int(times.max()), window_days)


def iso_time(seconds: int) -> str:
    """A time in seconds since 1970 as ISO 8601."""
    moment = datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _quarantine(path: Path, rows: pl.DataFrame) -> None:
    """Add rows that are not yet in the quarantine table."""
    _, present = lake.current(path, "quarantine", schema.QUARANTINE_SCHEMA)
    new = rows.join(present, on=list(schema.QUARANTINE_SCHEMA), how="anti")
    if new.height:
        lake.append(path, "quarantine", new, None)


def _ingest(path: Path, data: raw.RawData) -> tuple[str, pl.DataFrame, int]:
    """Write what is new; interactions last, so that a crash never leaves one without its user."""
    user_version, users = lake.merge(path, "users", data.users)
    item_version, items = lake.merge(path, "items", data.items)
    version, present = lake.current(path, "interactions", schema.INTERACTIONS_SCHEMA)
    event = ["user_id", "item_id", "value", "timestamp"]
    new = data.interactions.join(present, on=event, how="anti")
    if new.height:
        lake.append(path, "interactions", new, ["event_date", "segment"])
        compaction.compact_interactions(path)
        version = lake.newest(path, "interactions")
    merged = lake.sort("interactions", pl.concat([present, new]))
    if version is None:
        return "", merged, 0
    digest = lake.Tables(merged, users, items).digest()
    name = lake.name_version(version, user_version, item_version, digest)
    return name, merged, new.height
