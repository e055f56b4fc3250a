"""The profile of a data version and window: what its checks look at, and what later ones compare.

A function of the content alone, so that it can be made again from the lake at any time. Tables are
aggregated in streams; what is held at a time is one row for each user, the sample of sessions, and
a small table of interactions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender_training.artifact import reference
from recommender_training.data import lake, schema, splits
from recommender_training.data_checks import columns, sample
from recommender_training.data_checks.sample import Sessions
from recommender_training.data_checks.statistics import ratio_error
from recommender_training.errors import InputError

SCHEMA = "recommender.dev/data-profile/v1"
PARTS = ("train", "validation", "test")
#: Tables with no more interactions are read once and held: about a hundred megabytes.
HELD_ROWS = 1_000_000
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
    first, last, rows = _ends(tables["interactions"], window_days)
    if rows <= HELD_ROWS:
        tables["interactions"] = tables["interactions"].collect(engine="streaming").lazy()
    window = tables["interactions"].filter(pl.col("timestamp").is_between(first, last))
    described = {
        name: columns.describe(name, window if name == "interactions" else table)
        for name, table in tables.items()
    }
    starts = _part_starts(window, described["interactions"]["rows"])
    users = _by_user(window, starts)
    seen = sample.read(tables, window, users.select("user_id", "rows"))
    profile = {
        "schema": SCHEMA,
        "polars": pl.__version__,
        "dataVersion": data_version,
        "windowDays": window_days,
        "window": {"start": first, "end": last, "validationStart": starts[0],
                   "testStart": starts[1]},
        "tables": described,
        "active": {
            "users": users.height,
            "items": int(window.select(pl.col("item_id").n_unique()).collect(
                engine="streaming").item()),
        },
        "labels": _labels(users),
        "cold": _cold(users),
        "shares": _shares(users, described["interactions"]["columns"]),
        "sessions": histograms(seen),
    }  # fmt: skip
    return Profiled(profile, seen)


def _ends(rows: pl.LazyFrame, window_days: int | None) -> tuple[int, int, int]:
    """First and last second of the window, and the rows of the whole table."""
    time = pl.col("timestamp")
    facts = rows.select(time.min().alias("first"), time.max().alias("last"), pl.len().alias("len"))
    first, last, count = facts.collect(engine="streaming").row(0)
    if first is None:
        raise InputError("NoRowsInWindow", "there is no usable interaction at all")
    return *splits.window(int(first), int(last), window_days), int(count)


def _part_starts(window: pl.LazyFrame, rows: int) -> tuple[int, int]:
    """First seconds of validation and test, those of `splits.temporal`, from one hour's rows."""
    hour = pl.col("timestamp") // _HOUR
    counted = window.group_by(hour.alias("hour")).agg(pl.len().alias("rows"))
    hours = counted.collect(engine="streaming").sort("hour")
    up_to = hours["rows"].cast(pl.Int64).cum_sum()
    found = []
    for place in splits.places(rows):
        at = int(up_to.search_sorted(place, side="right"))
        before = int(up_to[at - 1]) if at else 0
        start = int(hours["hour"][at]) * _HOUR
        inside = window.filter(pl.col("timestamp").is_between(start, start + _HOUR - 1))
        times = inside.select("timestamp").collect(engine="streaming")["timestamp"].sort()
        found.append(int(times[place - before]))
    return found[0], found[1]


def _by_user(window: pl.LazyFrame, starts: tuple[int, int]) -> pl.DataFrame:
    """One row a user: rows, positives and nulls, and for each part rows and positives."""
    time, positive = pl.col("timestamp"), pl.col("value") >= schema.POSITIVE_VALUE
    inside = {
        "train": time < starts[0],
        "validation": (time >= starts[0]) & (time < starts[1]),
        "test": time >= starts[1],
    }
    nulls = [
        pl.col(name).null_count().cast(pl.Int64).alias(f"nulls.{name}")
        for name in window.collect_schema().names()
        if name in ("event_type", "session_id")
    ]
    counted = window.group_by("user_id").agg(
        pl.len().cast(pl.Int64).alias("rows"),
        positive.sum().cast(pl.Int64).alias("positive"),
        *nulls,
        *[where.sum().cast(pl.Int64).alias(f"rows.{part}") for part, where in inside.items()],
        *[
            (where & positive).sum().cast(pl.Int64).alias(f"positive.{part}")
            for part, where in inside.items()
        ],
    )
    return counted.collect(engine="streaming").sort("user_id")


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


def _shares(users: pl.DataFrame, types: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Shares of the interactions, with standard errors over users."""
    names = {"positive": "positive"}
    names |= {f"nulls.{name}": f"nulls.{name}" for name in types if f"nulls.{name}" in users}
    rows_U = users["rows"].to_numpy().astype(np.float64)
    told = {}
    for name, column in names.items():
        hits_U = users[column].to_numpy().astype(np.float64)
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
