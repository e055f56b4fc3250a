"""Groups of items, as the evaluation parts them: by a declared feature, or by popularity."""

from __future__ import annotations

import numpy as np

from recommender_contract.resource.mitigation import POPULARITY
from recommender_training.common.arrays import Doubles, Ints
from recommender_training.data.feature_encoding import Block
from recommender_training.data.items import Items
from recommender_training.features.event_history import ItemCounts

#: Parts of the catalogue by popularity, each with the same number of past events.
POPULARITY_BANDS = 10


def membership(by: str, items: Items, counts: ItemCounts) -> Doubles:
    """[I, G] rows that sum to one: an item counts for each of its groups in equal parts.

    `by` is POPULARITY or a declared feature of the items. Bands of popularity are those of the
    events that `counts` has seen. The last group is that of items without a category, if there
    are any. Items with a history always have it, so that their groups are the same at all times.
    """
    if by == POPULARITY:
        return np.eye(POPULARITY_BANDS)[band_of_items(counts)]
    own = items.tags[:, _block(by, items).columns].toarray().astype(np.float64)
    shares = own / np.maximum(own.sum(1, keepdims=True), 1.0)
    without = own.sum(1) == 0
    has_rest = _has_rest(items, any_now=bool(without.any()))
    return np.column_stack([shares, without]) if has_rest else np.asarray(shares)


def names(by: str, items: Items) -> tuple[str, ...]:
    """[G] names; band 1 is the most popular one."""
    if by == POPULARITY:
        return tuple(f"popularity:{band + 1}" for band in range(POPULARITY_BANDS))
    block = _block(by, items)
    found = tuple(f"{by}:{name}" for name in block.categories)
    without = bool((items.tags[:, block.columns].getnnz(1) == 0).any())
    return (*found, f"{by}:unknown") if _has_rest(items, any_now=without) else found


def _has_rest(items: Items, *, any_now: bool) -> bool:
    """True if there is a group of items without a category.

    What is fitted on the items of one time, such as a bonus, is used on those of others.
    """
    return any_now or items.history is not None


def _block(name: str, items: Items) -> Block:
    return next(block for block in items.blocks if block.name == name)


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
