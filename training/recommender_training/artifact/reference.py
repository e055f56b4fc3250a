"""reference.json: the distribution of request features in training, the reference for drift.

One row per session (`sessions.sample_requests`). The bins are fixed here, so that serving only
counts and counters of several pods can be added.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recommender_training.data.sessions import Request
from recommender_training.statistics.design_effect import design_effect

SCHEMA = "recommender.dev/reference/v1"
MAX_BINS = 10
NUMERIC = ("age", "session_length", "mean_value", "top_score")
#: Features of a request; `top_score` is a feature of the answer.
OF_REQUESTS = ("age", "gender", "occupation", "session_length", "mean_value", "last_genre")
#: Code of an unknown category.
UNKNOWN = -1

#: Value of a feature: a number, the index of a category (-1 unknown) or None.
Value = float | int | None


class FeatureReader:
    """Computes the features of a request as defined in docs/contracts.md."""

    def __init__(self, vocabulary: dict[str, Any]) -> None:
        self.categories: dict[str, list[str]] = {
            "gender": vocabulary["genders"],
            "occupation": vocabulary["occupations"],
            "last_genre": vocabulary["genres"],
        }
        self._history_length = int(vocabulary["historyLength"])
        items = vocabulary["items"]
        self._genre = dict(zip(items["ids"], items["genre"], strict=True))
        self._index = {
            name: {category: code for code, category in enumerate(categories)}
            for name, categories in self.categories.items()
        }

    def read(self, request: Request) -> dict[str, Value]:
        """Return the features of one request, without `top_score`."""
        session = request.get("session", [])[-self._history_length :]
        values = [event["value"] for event in session if event.get("value", 0) > 0]
        last = self._genre.get(session[-1]["item"], UNKNOWN) if session else None
        return {
            "age": request.get("age"),
            "gender": self._category("gender", request),
            "occupation": self._category("occupation", request),
            "session_length": len(session),
            "mean_value": float(np.mean(values)) if values else None,
            "last_genre": last,
        }

    def _category(self, name: str, request: Request) -> int | None:
        value = request.get(name)
        return None if value is None else self._index[name].get(value, UNKNOWN)


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


def numeric_feature(name: str, values: Sequence[Value]) -> dict[str, Any]:
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


def categorical_feature(
    name: str, categories: Sequence[str], values: Sequence[Value]
) -> dict[str, Any]:
    """Return the reference of a categorical feature."""
    counts = [0] * len(categories)
    for value in values:
        if value is not None and value != UNKNOWN:
            counts[int(value)] += 1
    return {
        "name": name,
        "kind": "categorical",
        "categories": list(categories),
        "counts": counts,
        "nulls": sum(value is None for value in values),
        "unknowns": sum(value == UNKNOWN for value in values),
    }


def feature(name: str, values: Sequence[Value], categories: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reference of a feature; `categories` has the categories by feature."""
    if name in NUMERIC:
        return numeric_feature(name, values)
    return categorical_feature(name, categories[name], values)


def feature_design_effect(
    feature: dict[str, Any], users: Sequence[int], values: Sequence[Value]
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


def reference(
    requests: Sequence[Request], top_scores: Sequence[float | None], vocabulary: dict[str, Any]
) -> dict[str, Any]:
    """Return the content of reference.json."""
    reader = FeatureReader(vocabulary)
    rows = [reader.read(request) for request in requests]
    columns: dict[str, list[Value]] = {name: [row[name] for row in rows] for name in OF_REQUESTS}
    columns["top_score"] = list(top_scores)
    features = [feature(name, values, reader.categories) for name, values in columns.items()]
    users = [int(request["user_id"]) for request in requests]
    for each in features:
        each["designEffect"] = feature_design_effect(each, users, columns[each["name"]])
    return {"schema": SCHEMA, "sessions": len(rows), "features": features}
