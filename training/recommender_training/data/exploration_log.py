"""Exploration log: places of answers whose item was drawn at random, for off-policy estimates.

Which user, at which time, what was shown, and what could have been shown there instead, each of
the pool with the same probability. The context and the label are those of the impression, which is
an interaction. Legend of shapes: E places, P items of a pool at most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender_training.common.arrays import Ints

#: A place of a pool that no known item has.
NOTHING = -1


@dataclass(frozen=True)
class ExplorationLog:
    """The explored places of the loaded times, sorted by time, user and item."""

    user: Ints  # [E] row in Users; NOTHING if unknown
    item: Ints  # [E] row in Items of the item that was shown; NOTHING if unknown
    time: Ints  # [E] seconds since 1970
    pool: Ints  # [E, P] rows in Items, best first; NOTHING if unknown, and after the last
    size: Ints  # [E] items of the pool, unknown ones included

    @classmethod
    def of(cls, table: pl.DataFrame, users: Ints, items: Ints) -> ExplorationLog:
        """The rows of the table, by the sorted ids of users and items."""
        pools = table["pool"].str.split(" ")
        size = pools.list.len().to_numpy().astype(np.int64)
        ids = pools.explode(empty_as_null=False).cast(pl.Int64).to_numpy()
        # Within each pool from 0, as `ids` are one pool after the other.
        column = np.arange(len(ids)) - np.repeat(size.cumsum() - size, size)
        pool = np.full((len(size), int(size.max(initial=1))), NOTHING, dtype=np.int64)
        pool[np.repeat(np.arange(len(size)), size), column] = _places(ids, items)
        return cls(
            _places(table["user_id"].to_numpy(), users),
            _places(table["item_id"].to_numpy(), items),
            table["timestamp"].to_numpy(),
            pool,
            size,
        )


def _places(ids: Ints, known: Ints) -> Ints:
    """Where each id is among the sorted known ones; NOTHING if it is not."""
    if not len(known):
        return np.full(len(ids), NOTHING, dtype=np.int64)
    place = np.searchsorted(known, ids).clip(max=len(known) - 1)
    return np.where(known[place] == ids, place, NOTHING).astype(np.int64)
