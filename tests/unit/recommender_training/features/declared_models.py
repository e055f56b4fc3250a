"""A declaration with a feature of every kind, and a request of its data."""

from __future__ import annotations

from typing import Any

import numpy as np

from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import ranking_metrics
from tests.declared_models import EVENTS

#: Every kind of each place.
EVERY_KIND: dict[str, Any] = {
    "users": [
        {"name": "plan", "kind": "Categorical", "coldStart": True},
        {"name": "member", "kind": "Boolean"},
        {"name": "points", "kind": "Numeric", "minimum": -30, "maximum": 30, "edges": [0.1, 7]},
        {"name": "spent", "kind": "Numeric", "bands": 3},
        {"name": "joined", "kind": "Timestamp", "edges": [3, 12.5, 180]},
        {"name": "likes", "kind": "MultiCategorical", "separator": " ", "maxPerRow": 3},
        {"name": "taste_vector", "kind": "Embedding", "length": 2},
    ],
    "context": [
        {"name": "device", "kind": "Categorical"},
        {"name": "promoted", "kind": "Boolean"},
        {"name": "opened", "kind": "Timestamp", "bands": 3},
        {"name": "words", "kind": "MultiCategorical", "separator": " ", "hashBuckets": 5},
        {"name": "query", "kind": "Embedding", "length": 2},
        {"name": "position", "kind": "Numeric", "edges": [-4, 4], "servedAs": "1"},
    ],
    "items": [
        {"name": "shelf", "kind": "Categorical"},
        {"name": "topic", "kind": "MultiCategorical", "separator": " "},
        {"name": "new", "kind": "Boolean"},
        {"name": "price", "kind": "Numeric", "minimum": -30, "bands": 3, "transform": "Log"},
        {"name": "made", "kind": "Timestamp"},
        {"name": "look", "kind": "Embedding", "length": 2},
    ],
}
OF_REQUESTS = [each["name"] for place in ("users", "context") for each in EVERY_KIND[place]]
OF_ITEMS = [each["name"] for each in EVERY_KIND["items"]]


def some_request(data: Dataset) -> ranking_metrics.Request:
    context = data.as_served(data.events.context_of(np.array([EVENTS - 1])))[0]
    return ranking_metrics.Request(0, np.arange(3), 2_000_000, context)
