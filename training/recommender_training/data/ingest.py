"""`check`: bring raw files into the lake, once, and say whether they are fit to train on."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recommender_training.data import lake, raw, schema
from recommender_training.errors import InputError
from recommender_training.progress import say

_SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class CheckResult:
    """What the report of `check` says. Times are ISO 8601, UTC."""

    data_version: str
    rows: int
    quarantined_rows: int
    window_start: str
    window_end: str
    new_rows: int

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
    window_days: int | None = None,
    min_rows: int = 1,
    max_quarantined_share: float = 0.01,
) -> CheckResult:
    """Ingest `source` into the lake and check it.

    Reading the same files again changes nothing and gives the same version. Raises InputError
    with the reasons of docs/contracts.md.
    """
    say(f"check: reading {source}")
    data = raw.read_source(source)
    say(f"check: {data.interactions.height} rows, {data.quarantine.height} quarantined")
    with lake.locked(lake_path):
        _quarantine(lake_path, data.quarantine)
        _check_quarantined(data, max_quarantined_share)
        data_version, interactions, new_rows = _ingest(lake_path, data)
    say(f"check: {new_rows} new rows, version {data_version}")
    start, end = window_bounds(interactions, window_days)
    rows = interactions.filter(pl.col("timestamp").is_between(start, end)).height
    result = CheckResult(
        data_version, rows, data.quarantine.height, iso_time(start), iso_time(end), new_rows
    )
    if rows < min_rows:
        raise InputError(
            "TooFewRows",
            f"{rows} usable rows from {iso_time(start)} to {iso_time(end)}, at least {min_rows} "
            "are wanted; add data, lengthen data.window.days or lower data.minRows",
            **result.fields(),
        )
    return result


def window_bounds(interactions: pl.DataFrame, window_days: int | None) -> tuple[int, int]:
    """First and last second of the window: the last `window_days` up to the newest event."""
    if interactions.height == 0:
        raise InputError(
            "NoRowsInWindow", "there is no usable interaction at all; see the quarantine table"
        )
    times = interactions["timestamp"].to_numpy()
    end = int(times.max())
    start = int(times.min())
    if window_days is not None:
        start = max(start, end - window_days * _SECONDS_A_DAY + 1)
    return start, end


def iso_time(seconds: int) -> str:
    """A time in seconds since 1970 as ISO 8601."""
    moment = datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_quarantined(data: raw.RawData, max_share: float) -> None:
    bad = data.quarantine.height
    good = data.interactions.height
    total = good + bad + data.users.height + data.items.height
    rows = good + data.quarantine.filter(pl.col("table") == "interactions").height
    if rows == 0:
        raise InputError("NoRowsInWindow", "the *.inter files hold no row below their headers")
    worst, named = 0.0, ""
    for table, usable in (
        ("interactions", good),
        ("users", data.users.height),
        ("items", data.items.height),
    ):
        part = data.quarantine.filter(pl.col("table") == table).height
        share = part / max(part + usable, 1)
        if share > worst:
            worst, named = share, f"{part} of {part + usable} rows of {table}"
    if worst <= max_share:
        return
    reasons = data.quarantine.group_by("reason").len().sort(["len", "reason"], descending=True)
    counts = ", ".join(f"{reason} {count}" for reason, count in reasons.head(5).iter_rows())
    example = data.quarantine.row(0, named=True)
    raise InputError(
        "TooManyQuarantinedRows",
        f"{named} are quarantined ({worst:.2%}, at most {max_share:.2%} allowed): {counts}; "
        f"first: {example['file']} line {example['line']} {example['row'][:120]!r} "
        f"({example['reason']}); repair the rows or raise data.maxQuarantinedShare",
        quarantinedRows=bad,
        rows=good,
        totalRows=total,
    )


def _quarantine(path: Path, rows: pl.DataFrame) -> None:
    """Add rows that are not yet in the quarantine table."""
    _, present = lake.current(path, "quarantine", schema.QUARANTINE_SCHEMA)
    new = rows.join(present, on=list(schema.QUARANTINE_SCHEMA), how="anti")
    if new.height:
        lake.append(path, "quarantine", new, None)


def _ingest(path: Path, data: raw.RawData) -> tuple[str, pl.DataFrame, int]:
    """Write what is new; interactions last, so that a crash never leaves one without its user."""
    versions: dict[str, int] = {}
    frames: dict[str, pl.DataFrame] = {}
    for name, key, incoming, columns in (
        ("users", "user_id", data.users, schema.USERS_SCHEMA),
        ("items", "item_id", data.items, schema.ITEMS_SCHEMA),
    ):
        version, present = lake.current(path, name, columns)
        merged = lake.sort(name, pl.concat([present.join(incoming, on=key, how="anti"), incoming]))
        if version is None or not merged.equals(lake.sort(name, present)):
            version = lake.overwrite(path, name, merged)
        versions[name], frames[name] = version, merged
    version, present = lake.current(path, "interactions", schema.INTERACTIONS_SCHEMA)
    event = ["user_id", "item_id", "value", "timestamp"]
    new = data.interactions.join(present, on=event, how="anti")
    if new.height:
        version = lake.append(path, "interactions", new, ["event_date", "segment"])
    merged = lake.sort("interactions", pl.concat([present, new]))
    if version is None:
        return "", merged, 0
    tables = lake.Tables(merged, frames["users"], frames["items"])
    return lake.name_version({**versions, "interactions": version}, tables), merged, new.height
