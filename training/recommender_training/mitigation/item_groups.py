"""Groups of items, as the evaluation parts them: genres, or bands of popularity."""

from __future__ import annotations

import numpy as np

from recommender_training.data.dataset import Items
from recommender_training.evaluation import catalogue, metrics
from recommender_training.features.history import ItemCounts
from recommender_training.mitigation.settings import ItemGrouping


def membership(by: ItemGrouping, items: Items, counts: ItemCounts) -> metrics.Array:
    """[I, G] rows that sum to one: an item counts for each of its groups in equal parts.

    Bands of popularity are those of the events that `counts` has seen.
    """
    if by is ItemGrouping.GENRE:
        return catalogue.genre_membership(items)
    return np.eye(catalogue.POPULARITY_BANDS)[catalogue.band_of_items(counts)]


def names(by: ItemGrouping, items: Items) -> tuple[str, ...]:
    """[G] names; band 1 is the most popular one."""
    if by is ItemGrouping.GENRE:
        return tuple(f"genre:{name}" for name in items.genre_names)
    return tuple(f"popularity:{band + 1}" for band in range(catalogue.POPULARITY_BANDS))
