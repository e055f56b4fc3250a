"""The profile of a data version and window: the statistics that checks evaluate and compare.

It depends only on the content, so that it can be rebuilt from the lake at any time. Interactions
are read some days at a time (`interaction_batches.py`); memory also holds one row per user and the
sample of sessions.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender_training.artifact import reference
from recommender_training.common.errors import InputError
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.config.label import Label
from recommender_training.data import row_times, splits, training_window, version_content
from recommender_training.data.labels import LABELLED, Labelling, is_positive
from recommender_training.data_checks import columns, interaction_batches, sample
from recommender_training.data_checks.sample import Sessions
from recommender_training.statistics.two_samples import ratio_error

SCHEMA = "recommender.dev/data-profile/v2"
PARTS = ("train", "validation", "test")
_HOUR = 3600
#: Digits of shares and their errors: far below relevance, above float noise.
_DIGITS = 9

Profile = dict[str, Any]


@dataclass(frozen=True)
class Profiled:
    """A profile and the sessions behind its histograms."""

    profile: Profile
    sessions: Sessions


def build_profile(lake_path: Path, data_version: str, window_days: int | None) -> Profiled:
    """Profile the last `window_days` of a data version, or all of it.

    Raises InputError: DataVersionMissing, NoRowsInWindow.
    """
    scans = version_content.scan_version(lake_path, data_version)
    tables, declared = scans.tables, scans.declaration
    rows = tables["interactions"]
    types = {
        name: {column: str(kind) for column, kind in table.collect_schema().items()}
        for name, table in tables.items()
    }
    first, last, count = _ends(rows, window_days)
    rows = rows.collect().lazy() if count <= interaction_batches.PART_ROWS else rows
    inside = rows.filter(pl.col("timestamp").is_between(first, last))
    labelling = Labelling.of(declared.label or Label(), inside, last)
    window = interaction_batches.of_window(rows, first, last)
    seen = _scan(types["interactions"], declared, labelling, window)
    starts = _part_starts(rows.filter(labelling.state() == LABELLED), seen.hours, last)
    users = _by_part(
        seen.users, starts, labelling, interaction_batches.of_window(rows, first, last)
    )
    drawn = sample.draw(users.select("user_id", "rows"))
    events = [
        part.select(sample.columns(declared)).join(drawn, on="user_id", how="semi")
        for part in interaction_batches.of_window(rows, first, last)
    ]
    share = drawn.height / max(users.height, 1)
    sessions = sample.read_sessions(tables, pl.concat(events), drawn, share, declared)
    profile = {
        "schema": SCHEMA,
        "polars": pl.__version__,
        "dataVersion": data_version,
        "windowDays": window_days,
        "declaration": json.loads(declared.text()),
        "window": {"start": first, "end": last, "validationStart": starts[0],
                   "testStart": starts[1]},
        "tables": {
            "interactions": seen.table.facts(),
            **{
                name: _facts(columns.Table(name, types[name], declared), tables[name], key)
                for name, key in (("users", "user_id"), ("items", "item_id"))
            },
        },
        "active": {"users": users.height, "items": len(seen.items)},
        "described": {
            "users": _described(tables["users"], users["user_id"], declared.users),
            "items": _described(tables["items"], seen.items, declared.items),
        },
        "labels": _labels(users, labelling),
        "largest": _largest(users),
        "cold": _cold(users),
        "shares": _shares(users),
        "sessions": histograms(sessions),
    }  # fmt: skip
    return Profiled(profile, sessions)


def _facts(table: columns.Table, rows: pl.LazyFrame, key: str) -> dict[str, Any]:
    """Of users or items, one row each: a history grows without a change of what is served."""
    found = rows.collect()
    table.add(row_times.newest(found, key) if row_times.COLUMN in found.columns else found)
    return table.facts()


def _described(rows: pl.LazyFrame, active: pl.Series, features: Sequence[Feature]) -> int:
    """Count the users or items of a window of which any declared feature has a value."""
    if not features:
        return 0
    known = pl.any_horizontal(pl.col(each.name).is_not_null() for each in features)
    ids = rows.filter(known).select(active.name).unique().collect()
    return ids.join(active.to_frame(), on=active.name, how="semi").height


@dataclass
class _Seen:
    """Sums of the first pass over a window."""

    table: columns.Table
    hours: Counter[int]  # rows with a label
    users: pl.DataFrame  # user_id, rows, positive, nulls of optional columns
    items: pl.Series


def _ends(rows: pl.LazyFrame, window_days: int | None) -> tuple[int, int, int]:
    """Return first and last second of the window, and the rows of the whole table."""
    time = pl.col("timestamp")
    facts = rows.select(time.min().alias("first"), time.max().alias("last"), pl.len().alias("len"))
    first, last, count = facts.collect(engine="streaming").row(0)
    if first is None:
        raise InputError("NoRowsInWindow", "no interaction is usable; see the quarantine table")
    return *splits.window(int(first), int(last), window_days), int(count)


def _scan(
    types: dict[str, str],
    declaration: FeatureSchema,
    labelling: Labelling,
    window: Iterator[pl.DataFrame],
) -> _Seen:
    positive = is_positive(labelling.label)
    sums = [pl.len().cast(pl.Int64).alias("rows"), positive.sum().cast(pl.Int64).alias("positive")]
    sums += [
        pl.col(name).null_count().cast(pl.Int64).alias(f"nulls.{name}")
        for name in ("event_type", "session_id", *(each.name for each in declaration.context))
    ]
    table = columns.Table("interactions", types, declaration)
    seen = _Seen(table, Counter(), pl.DataFrame(), pl.Series())
    for part in window:
        seen.table.add(part)
        labelled = part.filter(labelling.state() == LABELLED)
        hours = labelled.group_by((pl.col("timestamp") // _HOUR).alias("hour")).len()
        seen.hours.update(dict(hours.iter_rows()))
        seen.users = _sum(seen.users, part.group_by("user_id").agg(*sums))
        items = part["item_id"].unique()
        seen.items = pl.concat([seen.items, items]).unique() if len(seen.items) else items
    return seen


def _sum(users: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    """Sum the columns of two parts by user."""
    if users.height == 0:
        return more
    return pl.concat([users, more]).group_by("user_id").sum()


def _part_starts(rows: pl.LazyFrame, hours: Counter[int], last: int) -> tuple[int, int]:
    """Return the first seconds of validation and test as `splits.temporal` does.

    `rows` are those with a label; without any, both parts start after the `last` second. Reads
    only the rows of the two hours.
    """
    ordered = sorted(hours)
    if not ordered:
        return last + 1, last + 1
    up_to = list(accumulate(hours[hour] for hour in ordered))
    found = []
    for place in training_window.places(up_to[-1]):
        at = bisect_right(up_to, place)
        before = up_to[at - 1] if at else 0
        times = interaction_batches.times_of_hour(rows, ordered[at])
        # the window may start within this hour; it ends with the newest event
        found.append(int(times[place - before + len(times) - hours[ordered[at]]]))
    return found[0], found[1]


def _by_part(
    users: pl.DataFrame,
    starts: tuple[int, int],
    labelling: Labelling,
    window: Iterator[pl.DataFrame],
) -> pl.DataFrame:
    """Return users with their labelled rows and positives in each part of the split, sorted by
    id. Rows whose label is known only after their part are in none, as in `splits.temporal`.
    """
    time, positive = pl.col("timestamp"), pl.col("label")
    known = time + labelling.delay
    inside = {
        "train": known < starts[0],
        "validation": (time >= starts[0]) & (known < starts[1]),
        "test": time >= starts[1],
    }
    sums = [where.sum().cast(pl.Int64).alias(f"rows.{part}") for part, where in inside.items()]
    sums += [
        (where & positive).sum().cast(pl.Int64).alias(f"positive.{part}")
        for part, where in inside.items()
    ]
    split = pl.DataFrame()
    for part in window:
        labelled = part.select("user_id", "timestamp").hstack(labelling.read(part))
        labelled = labelled.filter(pl.col("state") == LABELLED)
        split = _sum(split, labelled.group_by("user_id").agg(*sums))
    found = users.join(split, on="user_id", how="left").sort("user_id")
    return found.with_columns(pl.col("^(rows|positive)[.].*$").fill_null(0))


def _labels(users: pl.DataFrame, labelling: Labelling) -> dict[str, dict[str, int]]:
    """Count rows and positives of each part, with the negatives to draw."""
    return {
        part: {
            "rows": int(users[f"rows.{part}"].sum()) * labelling.per_event,
            "positive": int(users[f"positive.{part}"].sum()),
        }
        for part in PARTS
    }


def _largest(users: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Count users with positive rows in each part, and the most positive rows of one of them."""
    positive = {part: users[f"positive.{part}"].to_numpy() for part in PARTS}
    return {
        part: {"users": int((rows_U > 0).sum()), "positive": int(rows_U.max(initial=0))}
        for part, rows_U in positive.items()
    }


def _cold(users: pl.DataFrame) -> dict[str, int]:
    """Count users of the validation window, and how many are known from the training window."""
    evaluated = users.filter(pl.col("rows.validation") > 0)
    return {
        "validationUsers": evaluated.height,
        "known": evaluated.filter(pl.col("rows.train") > 0).height,
    }


def _shares(users: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Return shares of the interactions, with standard errors over users."""
    names = [name for name in users.columns if name == "positive" or name.startswith("nulls.")]
    rows_U = users["rows"].to_numpy().astype(np.float64)
    shares = {}
    for name in names:
        hits_U = users[name].to_numpy().astype(np.float64)
        shares[name] = {
            "value": round(float(hits_U.sum() / rows_U.sum()), _DIGITS),
            "error": round(ratio_error(rows_U, hits_U), _DIGITS),
        }
    return shares


def histograms(seen: Sessions) -> dict[str, Any]:
    """Return the session features as in reference.json, with shares of missing values."""
    users = seen.user_S.tolist()
    features = []
    for name, column in seen.columns.items():
        of, values = reference.one_by_one(users, column)
        feature = reference.feature(name, values, seen.categories)
        feature["designEffect"] = reference.feature_design_effect(feature, of, values)
        feature["missing"] = missing(seen, name)
        features.append(feature)
    return {
        "sessions": len(seen),
        "users": len(set(users)),
        "shareOfUsers": seen.share,
        "features": features,
    }


def missing(seen: Sessions, name: str) -> dict[str, float]:
    """Return the share of sessions without a known value, with its standard error over users."""
    if len(seen) == 0:
        return {"value": 0.0, "error": 0.0}
    codes = (None, reference.UNKNOWN, (reference.UNKNOWN,))
    unknown = codes if name in seen.categories else (None,)
    missing_S = np.array([value in unknown for value in seen.columns[name]], dtype=np.float64)
    _, place_S = np.unique(seen.user_S, return_inverse=True)
    rows_U = np.bincount(place_S).astype(np.float64)
    hits_U = np.bincount(place_S, weights=missing_S).astype(np.float64)
    return {
        "value": round(float(missing_S.mean()), _DIGITS),
        "error": round(ratio_error(rows_U, hits_U), _DIGITS),
    }
