"""Retrieval by item-to-item weights (EASE, Steck 2019): which items go with a session.

A response model alone answers "would he like it", not "would he look for it": by itself it ranks
obscure favourites first. So the order of an answer is the response's logit, plus the retrieval
score, plus popularity. The weights were chosen on the validation window of MovieLens 100K.
"""

from __future__ import annotations

import numpy as np

from recommender_training.data.dataset import Bools, Dataset, Floats
from recommender_training.errors import InputError
from recommender_training.features.history import ItemCounts

PENALTY = 500.0
RETRIEVAL_WEIGHT = 40.0
POPULARITY_WEIGHT = 1.0
#: The weights are dense, [I, I] float32: 400 MB at this size.
MAX_ITEMS = 10_000


def fit(data: Dataset, known: Bools) -> Floats:
    """[I, I] weights from the positive events marked by `known` [N]; row: item of the session.

    Raises InputError `CatalogueTooLarge` above MAX_ITEMS.
    """
    count = data.items.count
    if count > MAX_ITEMS:
        raise InputError(
            "CatalogueTooLarge",
            f"the items table has {count} items, the dense retrieval takes {MAX_ITEMS} at most; "
            "leave out items that can no longer be recommended",
        )
    events = data.events.take(known & data.events.label)
    users, rows = np.unique(events.user, return_inverse=True)
    liked = np.zeros((len(users), count), dtype=np.float32)
    liked[rows, events.item] = 1.0
    gram = (liked.T @ liked).astype(np.float64)
    gram[np.diag_indices(count)] += PENALTY
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights.astype(np.float32)


def popularity_prior(counts: ItemCounts) -> Floats:
    """[I] weighted log popularity, relative to the mean item."""
    mean = (counts.total + counts.events.size) / counts.events.size
    relative = np.log((counts.events + 1.0) / mean)
    return np.asarray(POPULARITY_WEIGHT * relative, dtype=np.float32)
