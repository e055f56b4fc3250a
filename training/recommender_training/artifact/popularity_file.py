"""popularity.json, which the transformer reads: what is popular, for all users and by segment."""

from __future__ import annotations

from typing import Any

import numpy as np

from recommender_training.artifact.vocabulary import MAX_TOP_N
from recommender_training.common.arrays import Doubles
from recommender_training.data.dataset import Dataset
from recommender_training.data.items import Items
from recommender_training.features import popularity
from recommender_training.features.event_history import ItemCounts

#: Most users in popularity.json, which the transformer holds in memory.
MAX_USERS = 100_000


def content(data: Dataset, counts: ItemCounts) -> dict[str, Any]:
    """Return its content: items by positive responses; the first scores 1.

    `counts` [I] are those at the end of the data. There is one list for all users, and one per
    segment of the features for cold start if these are known.
    """
    segments = _segments(data, counts)
    listed = _listed(data.items, counts, counts.positives.astype(np.float64))
    return {**listed, **({"segments": segments} if segments["lists"] else {})}


def _listed(items: Items, counts: ItemCounts, score: Doubles) -> dict[str, Any]:
    """Return the best items by `score` [I], relative to the score of the first."""
    order = np.lexsort((items.ids, -counts.events, -score))[:MAX_TOP_N]
    top = float(score[order[0]]) if len(order) else 0.0
    scores = np.round(score[order] / (top or 1.0), 6)
    return {"items": items.ids[order].tolist(), "scores": scores.tolist()}


def _segments(data: Dataset, counts: ItemCounts) -> dict[str, Any]:
    """Return the lists by segment, and the segments of the MAX_USERS most recent users."""
    users, values = data.users, popularity.values_of(data)
    seen = np.full(users.count, -1, dtype=np.int64)
    np.maximum.at(seen, data.events.user, data.events.time)
    known = np.flatnonzero((values >= 0).any(1))
    recent = np.sort(known[np.argsort(-seen[known], kind="stable")[:MAX_USERS]])
    return {
        "features": [each.name for each in popularity.features(data)],
        "lists": [
            {"values": popularity.values_in(data, code), **_listed(data.items, counts, own)}
            for code, own in popularity.by_segment(data, None)
        ],
        "users": {"ids": users.ids[recent].tolist(), "values": values[recent].tolist()},
    }
