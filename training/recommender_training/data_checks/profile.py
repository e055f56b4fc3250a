"""The profile of a data version and window: what its checks look at, and what later ones compare.

A function of the content alone, so that it can be made again from the lake at any time.
Interactions are read some days at a time (`parts.py`); beside them one row for each user and the
sample of sessions are held.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender_training.artifact import reference
from recommender_training.common.errors import InputError
from recommender_training.data import lake, schema, splits
from recommender_training.data_checks import columns, parts, sample
from recommender_training.data_checks.sample import Sessions
from recommender_training.statistics.two_samples import ratio_error

SCHEMA = "recommender.dev/data-profile/v1"
PARTS = ("train", "validation", "test")
_HOUR = 3600
#: Digits that are kept of shares and their errors: far below what matters, above float noise.
_DIGITS = 9

Profile = dict[str, Any]


@dataclass(frozen=True)
class Profiled:
    """A profile, and the sessions that its histograms count."""

    profile: Profile
    sessions: Sessions


def build(lake_path: Path, data_version: str, window_days: int | None) -> Profiled:
    """Profile the last `window_days` of a data version, or all of it.

    Raises InputError: DataVersionMissing, NoRowsInWindow.
    """
    tables = lake.scan_version(lake_path, data_version)
    rows = tables["interactions"]
    types = {
        name: {column: str(kind) for column, kind in table.collect_schema().items()}
        for name, table in tables.items()
    }
    first, last, count = _ends(rows, window_days)
    if count <= parts.PART_ROWS:
        rows = rows.collect().lazy()
    seen = _look(types["interactions"], parts.of_window(rows, first, last))
    starts = _part_starts(rows, seen.hours)
    users = _by_part(seen.users, starts, parts.of_window(rows, first, last))
    drawn = sample.draw(users.select("user_id", "rows"))
    events = [
        part.select(sample.COLUMNS).join(drawn, on="user_id", how="semi")
        for part in parts.of_window(rows, first, last)
    ]
    sessions = sample.read(tables, pl.concat(events), drawn, drawn.height / max(users.height, 1))
    described = {"interactions": seen.table.facts()}
    for name in ("users", "items"):
        table = columns.Table(name, types[name])
        table.add(tables[name].collect())
        described[name] = table.facts()
    profile = {
        "schema": SCHEMA,
        "polars": pl.__version__,
        "dataVersion": data_version,
        "windowDays": window_days,
        "window": {"start": first, "end": last, "validationStart": starts[0],
                   "testStart": starts[1]},
        "tables": described,
        "active": {"users": users.height, "items": len(seen.items)},
        "labels": _labels(users),
        "cold": _cold(users),
        "shares": _shares(users),
        "sessions": histograms(sessions),
    }  # fmt: skip
    return Profiled(profile, sessions)


@dataclass
class _Seen:
    """What the first look at the parts of a window adds up."""

    table: columns.Table
    hours: Counter[int]  # rows
    users: pl.DataFrame  # user_id, rows, positive, nulls of optional columns
    items: pl.Series


def _ends(rows: pl.LazyFrame, window_days: int | None) -> tuple[int, int, int]:
    """First and last second of the window, and the rows of the whole table."""
    time = pl.col("timestamp")
    facts = rows.select(time.min().alias("first"), time.max().alias("last"), pl.len().alias("len"))
    first, last, count = facts.collect(engine="streaming").row(0)
    if first is None:
        raise InputError("NoRowsInWindow", "there is no usable interaction at all")
    return *splits.window(int(first), int(last), window_days), int(count)


def _look(types: dict[str, str], window: Iterator[pl.DataFrame]) -> _Seen:
    positive = pl.col("value") >= schema.POSITIVE_VALUE
    sums = [pl.len().cast(pl.Int64).alias("rows"), positive.sum().cast(pl.Int64).alias("positive")]
    sums += [
        pl.col(name).null_count().cast(pl.Int64).alias(f"nulls.{name}")
        for name in ("event_type", "session_id")
        if name in types
    ]
    seen = _Seen(columns.Table("interactions", types), Counter(), pl.DataFrame(), pl.Series())
    for part in window:
        seen.table.add(part)
        hours = part.group_by((pl.col("timestamp") // _HOUR).alias("hour")).len()
        seen.hours.update(dict(hours.iter_rows()))
        seen.users = _added(seen.users, part.group_by("user_id").agg(*sums))
        items = part["item_id"].unique()
        seen.items = pl.concat([seen.items, items]).unique() if len(seen.items) else items
    return seen


def _added(users: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    """Sums by user of two parts."""
    if users.height == 0:
        return more
    return pl.concat([users, more]).group_by("user_id").sum()


def _part_starts(rows: pl.LazyFrame, hours: Counter[int]) -> tuple[int, int]:
    """First seconds of validation and test, those of `splits.temporal`, from one hour's rows."""
    ordered = sorted(hours)
    up_to = list(accumulate(hours[hour] for hour in ordered))
    found = []
    for place in splits.places(up_to[-1]):
        at = bisect_right(up_to, place)
        before = up_to[at - 1] if at else 0
        times = parts.times_of_hour(rows, ordered[at])
        # the window may begin in the midst of this hour; it ends with the newest event
        found.append(int(times[place - before + len(times) - hours[ordered[at]]]))
    return found[0], found[1]


def _by_part(
    users: pl.DataFrame, starts: tuple[int, int], window: Iterator[pl.DataFrame]
) -> pl.DataFrame:
    """The users with their rows and positives in each part of the split, sorted."""
    time, positive = pl.col("timestamp"), pl.col("value") >= schema.POSITIVE_VALUE
    inside = {
        "train": time < starts[0],
        "validation": (time >= starts[0]) & (time < starts[1]),
        "test": time >= starts[1],
    }
    sums = [where.sum().cast(pl.Int64).alias(f"rows.{part}") for part, where in inside.items()]
    sums += [
        (where & positive).sum().cast(pl.Int64).alias(f"positive.{part}")
        for part, where in inside.items()
    ]
    split = pl.DataFrame()
    for part in window:
        split = _added(split, part.group_by("user_id").agg(*sums))
    return users.join(split, on="user_id").sort("user_id")


def _labels(users: pl.DataFrame) -> dict[str, dict[str, int]]:
    return {
        part: {
            "rows": int(users[f"rows.{part}"].sum()),
            "positive": int(users[f"positive.{part}"].sum()),
        }
        for part in PARTS
    }


def _cold(users: pl.DataFrame) -> dict[str, int]:
    """Users of the validation window, and those of them that the training window has."""
    judged = users.filter(pl.col("rows.validation") > 0)
    return {
        "validationUsers": judged.height,
        "known": judged.filter(pl.col("rows.train") > 0).height,
    }


def _shares(users: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Shares of the interactions, with standard errors over users."""
    names = [name for name in users.columns if name == "positive" or name.startswith("nulls.")]
    rows_U = users["rows"].to_numpy().astype(np.float64)
    told = {}
    for name in names:
        hits_U = users[name].to_numpy().astype(np.float64)
        told[name] = {
            "value": round(float(hits_U.sum() / rows_U.sum()), _DIGITS),
            "error": round(ratio_error(rows_U, hits_U), _DIGITS),
        }
    return told


def histograms(seen: Sessions) -> dict[str, Any]:
    """The features of the sessions in the form of reference.json, and shares of missing values."""
    users = seen.user_S.tolist()
    features = []
    for name, values in seen.columns.items():
        told = reference.feature(name, values, seen.categories)
        told["designEffect"] = reference.feature_design_effect(told, users, values)
        told["missing"] = missing(seen, name)
        features.append(told)
    return {
        "sessions": len(seen),
        "users": len(set(users)),
        "shareOfUsers": seen.share,
        "features": features,
    }


def missing(seen: Sessions, name: str) -> dict[str, float]:
    """Share of the sessions without a known value of the feature, with its error over users."""
    if len(seen) == 0:
        return {"value": 0.0, "error": 0.0}
    absent = (None,) if name in reference.NUMERIC else (None, reference.UNKNOWN)
    absent_S = np.array([value in absent for value in seen.columns[name]], dtype=np.float64)
    _, place_S = np.unique(seen.user_S, return_inverse=True)
    rows_U = np.bincount(place_S).astype(np.float64)
    hits_U = np.bincount(place_S, weights=absent_S).astype(np.float64)
    return {
        "value": round(float(absent_S.mean()), _DIGITS),
        "error": round(ratio_error(rows_U, hits_U), _DIGITS),
    }
