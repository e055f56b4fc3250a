"""Groups of items, as the evaluation parts them: genres, or bands of popularity."""

from __future__ import annotations

import numpy as np

from recommender_training.common.arrays import Doubles, Ints
from recommender_training.config.mitigation import ItemGrouping
from recommender_training.data.dataset import Items
from recommender_training.features.history import ItemCounts

#: Parts of the catalogue by popularity, each with the same number of past events.
POPULARITY_BANDS = 10


def membership(by: ItemGrouping, items: Items, counts: ItemCounts) -> Doubles:
    """[I, G] rows that sum to one: an item counts for each of its groups in equal parts.

    Bands of popularity are those of the events that `counts` has seen.
    """
    if by is ItemGrouping.GENRE:
        return genre_membership(items)
    return np.eye(POPULARITY_BANDS)[band_of_items(counts)]


def names(by: ItemGrouping, items: Items) -> tuple[str, ...]:
    """[G] names; band 1 is the most popular one."""
    if by is ItemGrouping.GENRE:
        return tuple(f"genre:{name}" for name in items.genre_names)
    return tuple(f"popularity:{band + 1}" for band in range(POPULARITY_BANDS))


def genre_membership(items: Items) -> Doubles:
    """[I, G] an item belongs to each of its genres in equal parts."""
    genres = items.genres.astype(np.float64)
    return np.asarray(genres / np.maximum(genres.sum(1, keepdims=True), 1.0))


def band_of_items(counts: ItemCounts) -> Ints:
    """[I] band of each item, 0 the most popular; a band holds about a tenth of the past events."""
    order = np.argsort(-counts.events, kind="stable")
    events = counts.events[order]
    middle = np.cumsum(events) - events / 2
    band = np.empty(len(order), dtype=np.int64)
    total = max(1, int(events.sum()))
    band[order] = np.minimum(middle * POPULARITY_BANDS // total, POPULARITY_BANDS - 1)
    band[counts.events == 0] = POPULARITY_BANDS - 1
    return band
