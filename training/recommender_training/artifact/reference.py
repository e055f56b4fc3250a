"""reference.json: the distribution of request features in training, the reference for drift.

One row per session (`sessions.sample_session_requests`). The bins are fixed here, so that serving
only counts and counters of several pods can be added.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recommender_contract import hash_buckets
from recommender_contract.features import Kind
from recommender_training.common.arrays import Ints
from recommender_training.data.feature_encoding import SECONDS_A_DAY
from recommender_training.data.local_calendar import LocalCalendar
from recommender_training.data.sessions import Request
from recommender_training.statistics.design_effect import design_effect

SCHEMA = "recommender.dev/reference/v1"
MAX_BINS = 10
#: Most categories of a feature with a bin of their own, and most bins of all features with those
#: of other, unknown and missing values: each is a time series of the version.
MAX_CATEGORIES, MAX_ALL_BINS = 50, 2800
#: Bins of a feature beside those of its categories, and bins of a number at most.
_BESIDE, _OF_NUMBER = 3, MAX_BINS + 2
#: Numbers that every version has; `top_score` is a feature of the answer.
OF_SESSIONS, TOP_SCORE = ("session_length", "mean_value"), "top_score"
#: Scores of items that the model computes for `top_score`, and sessions that it is asked for at
#: least: a share of 10,000 sessions has a standard error of half a percent at most.
MAX_SCORES, LEAST_ASKED = 10_000_000_000, 10_000
#: Code of an unknown category.
UNKNOWN = -1

#: What counts in one bin: a number, the index of a category (-1 unknown) or None.
One = float | int | None
#: Value of a feature; of a MultiCategorical the indices of its categories.
Value = One | tuple[int, ...]


class FeatureReader:
    """Computes the features of a request as defined in docs/contracts.md."""

    def __init__(self, vocabulary: dict[str, Any]) -> None:
        self._history_length = int(vocabulary["historyLength"])
        items = vocabulary["items"]
        self._row = {raw: row for row, raw in enumerate(items["ids"])}
        self._of_requests = [each for each in vocabulary["features"] if "servedAs" not in each]
        self._of_items = items["features"]
        #: Categories by feature; a number has none.
        self.categories: dict[str, list[str]] = {
            each["name"]: each["categories"] for each in self._of_requests if "categories" in each
        } | {f"last_{each['name']}": each["categories"] for each in self._of_items}
        hashed = {each["name"] for each in self._of_requests if "hashBuckets" in each}
        self._index = {
            name: hash_buckets.index(categories, hashed=name in hashed)
            for name, categories in self.categories.items()
        }
        found = {each["name"]: LocalCalendar.read(each) for each in self._of_requests}
        self._calendars = {name: each for name, each in found.items() if each is not None}
        #: Features of a request, in order.
        self.names = (
            *(each["name"] for each in self._of_requests),
            *OF_SESSIONS,
            *(f"last_{each['name']}" for each in self._of_items),
        )

    def read(self, request: Request) -> dict[str, Value]:
        """Return the features of one request, without `top_score`."""
        session = request.get("session", [])[-self._history_length :]
        values = [event["value"] for event in session if event.get("value", 0) > 0]
        row = self._row.get(_newest(session)) if session else None
        last = {
            f"last_{each['name']}": self._last(each["primary"], row) if session else None
            for each in self._of_items
        }
        return {
            **{each["name"]: self._stated(each, request) for each in self._of_requests},
            "session_length": len(session),
            "mean_value": float(np.mean(values)) if values else None,
            **last,
        }

    def _last(self, primary: Sequence[int], row: int | None) -> int:
        return UNKNOWN if row is None else int(primary[row])

    def _stated(self, feature: Mapping[str, Any], request: Request) -> Value:
        value = request.get(feature["of"], {}).get(feature["name"])
        if value is None or value == []:
            return None
        if feature["kind"] == Kind.NUMERIC:
            return float(value)
        if feature["name"] in self._calendars:
            return self._calendars[feature["name"]].code(value)
        if feature["kind"] == Kind.TIMESTAMP:
            return max(0.0, float(request["timestamp"] - value) / SECONDS_A_DAY)
        if feature["kind"] == Kind.EMBEDDING:
            return math.hypot(*value)
        index = self._index[feature["name"]]
        if feature["kind"] == Kind.MULTI_CATEGORICAL:
            return tuple(sorted({index.get(name, UNKNOWN) for name in value}))
        name = str(value).lower() if feature["kind"] == Kind.BOOLEAN else value
        return index.get(name, UNKNOWN)


def one_by_one(
    users: Sequence[int], values: Sequence[Value]
) -> tuple[Sequence[int], Sequence[One]]:
    """Return users and values with each category of a session for itself.

    So a session counts in the bin of each of its categories. The design effect, whose clusters
    are users, allows for it. Without a known category it counts once as null or unknown, and the
    shares of these are of sessions (`missing_design_effect`).
    """
    pairs: list[tuple[int, One]] = []
    for user, value in zip(users, values, strict=True):
        own: tuple[One, ...] = value if isinstance(value, tuple) else (value,)
        pairs += [(user, each) for each in own]
    return [user for user, _ in pairs], [value for _, value in pairs]


def _newest(session: Sequence[Mapping[str, Any]]) -> Any:
    """Return the newest item; of those of one second that with the largest id.

    A page shows several items at once, whose order in a request is not that of the log.
    """
    return max(session, key=lambda event: (event.get("timestamp", 0), event["item"]))["item"]


def edges_of(values: Sequence[float]) -> list[float]:
    """Return at most nine strictly increasing inner deciles, for bins with about equal shares.

    All edges are above the minimum, since the bin below the minimum would be empty.
    """
    if not values:
        return []
    array = np.asarray(values, dtype=np.float64)
    inner = np.quantile(array, np.arange(1, MAX_BINS) / MAX_BINS, method="nearest")
    rounded = np.unique(np.round(inner, 6))
    return [float(edge) for edge in rounded if edge > array.min()]


def numeric_feature(name: str, values: Sequence[One]) -> dict[str, Any]:
    """Return the reference of a numeric feature."""
    known = [float(value) for value in values if value is not None]
    edges = edges_of(known)
    counts = [0] * (len(edges) + 1)
    for value in known:
        counts[bisect_right(edges, value)] += 1
    nulls = len(values) - len(known)
    return {
        "name": name,
        "kind": "numeric",
        "edges": edges,
        "counts": counts,
        "nulls": nulls,
        "unknowns": 0,
    }


def most_categories(numbers: int, categorical: int) -> int:
    """Return how many categories each of so many features may list, beside so many numbers."""
    left = MAX_ALL_BINS - numbers * _OF_NUMBER - categorical * _BESIDE
    return max(1, min(MAX_CATEGORIES, left // max(1, categorical)))


def categorical_feature(
    name: str,
    categories: Sequence[str],
    values: Sequence[One],
    most: int = MAX_CATEGORIES,
) -> dict[str, Any]:
    """Return the reference of a categorical feature: its `most` most frequent categories."""
    counts = [0] * len(categories)
    for value in values:
        if value is not None and value != UNKNOWN:
            counts[int(value)] += 1
    ordered = sorted(range(len(counts)), key=lambda code: (-counts[code], code))
    listed = sorted(ordered[:most])
    return {
        "name": name,
        "kind": "categorical",
        "categories": [categories[code] for code in listed],
        "counts": [counts[code] for code in listed],
        "others": sum(counts) - sum(counts[code] for code in listed),
        "nulls": sum(value is None for value in values),
        "unknowns": sum(value == UNKNOWN for value in values),
    }


def feature(
    name: str,
    values: Sequence[One],
    categories: Mapping[str, Any],
    most: int = MAX_CATEGORIES,
) -> dict[str, Any]:
    """Return the reference of a feature; `categories` has the categories by feature.

    A categorical feature lists its `most` most frequent categories.
    """
    if name not in categories:
        return numeric_feature(name, values)
    return categorical_feature(name, categories[name], values, most)


def feature_design_effect(
    feature: dict[str, Any], users: Sequence[int], values: Sequence[One]
) -> float:
    """Return the design effect of the binned values, with users as clusters."""
    known = [
        (user, value)
        for user, value in zip(users, values, strict=True)
        if value is not None and (feature["kind"] == "numeric" or value != UNKNOWN)
    ]
    place = (
        (lambda value: bisect_right(feature["edges"], value))
        if feature["kind"] == "numeric"
        else int
    )
    user_N = np.array([user for user, _ in known], dtype=np.int64)
    bin_N = np.array([place(value) for _, value in known], dtype=np.int64)
    return round(design_effect(user_N, bin_N), 4)


def missing_design_effect(
    feature: dict[str, Any], users: Sequence[int], values: Sequence[Value]
) -> float:
    """Return the larger design effect of the share of nulls and of that of unknown values.

    An attribute that a user lacks is missing in all of the user's sessions. Each share is one of
    two bins, as in its test: three bins would add the spread of their effects. It is a share of
    sessions, so one with several categories counts once: as unknown if one of them is.
    """
    user_N = np.array(users, dtype=np.int64)
    kinds = [None, UNKNOWN] if feature["kind"] == "categorical" else [None]
    effects = (
        design_effect(user_N, np.array([_has(value, kind) for value in values], dtype=np.int64))
        for kind in kinds
    )
    return round(max(effects), 4)


def _has(value: Value, kind: One) -> bool:
    return kind in value if isinstance(value, tuple) else value == kind


def asked(sessions: int, items: int, seed: int) -> Ints:
    """Return the places of the sessions whose request the model answers for `top_score`.

    All of them, or as many as MAX_SCORES affords with so many items, drawn from the seed.
    """
    most = max(LEAST_ASKED, MAX_SCORES // max(1, items))
    if sessions <= most:
        return np.arange(sessions, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(sessions, most, replace=False))


def reference(
    requests: Sequence[Request],
    top_scores: Sequence[float | None],
    vocabulary: dict[str, Any],
    places: Ints | None = None,
) -> dict[str, Any]:
    """Return the content of reference.json.

    `top_scores` are those of the requests at `places` (`asked`), of all of them if None.
    """
    reader = FeatureReader(vocabulary)
    rows = [reader.read(request) for request in requests]
    columns: dict[str, list[Value]] = {name: [row[name] for row in rows] for name in reader.names}
    columns[TOP_SCORE] = list(top_scores)
    of_categories = len(reader.categories)
    most = most_categories(len(columns) - of_categories, of_categories)
    users = [int(request["user_id"]) for request in requests]
    answered = users if places is None else [users[place] for place in places.tolist()]
    features = []
    for name, column in columns.items():
        own = answered if name == TOP_SCORE else users
        of, values = one_by_one(own, column)
        each = feature(name, values, reader.categories, most)
        each["designEffect"] = feature_design_effect(each, of, values)
        each["missingDesignEffect"] = missing_design_effect(each, own, column)
        features.append(each)
    return {"schema": SCHEMA, "sessions": len(rows), "features": features}
