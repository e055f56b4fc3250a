"""Rows of an embedding table that ids read: their own, or one that rare ids share.

Row 0 is that of the unknown id. Legend of shapes: C ids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender_training.common.arrays import Ints, Places

#: Odd numbers of 64 bits that spread the bits of a number (SplitMix64).
_GOLDEN, _MIX_1, _MIX_2 = (
    np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


@dataclass(frozen=True)
class IdRows:
    """The rows of one table."""

    count: int
    #: [C + 1] the row of each id, that of the unknown first; None where each has its own.
    of: Places | None = None
    #: How many ids share rows.
    sharing: int = 0

    @classmethod
    def own(cls, ids: int) -> IdRows:
        """A row for each of so many ids."""
        return cls(ids + 1)


@dataclass(frozen=True)
class IdTables:
    """The tables of users and items."""

    users: IdRows
    items: IdRows


def assign(ids: Ints, events: Ints, least: int, buckets: int) -> IdRows:
    """The rows of `ids` [C], which have so many `events` [C] in a fit.

    Those with fewer than `least` share `buckets` rows by a hash, and those without an event read
    that of the unknown. Where no more than `buckets` would share, each id has its own row.
    """
    rare = (events > 0) & (events < least)
    sharing = int(rare.sum())
    if sharing <= buckets:
        return IdRows.own(len(ids))
    frequent = events >= least
    first = 1 + int(frequent.sum())
    rows = np.zeros(len(ids) + 1, dtype=np.int32)
    rows[1:][frequent] = np.arange(1, first)
    rows[1:][rare] = first + shared_row(ids[rare], buckets)
    return IdRows(first + buckets, rows, sharing)


def shared_row(ids: Ints, buckets: int) -> Ints:
    """[C] the bucket of each id. It depends on the id alone, so that versions share alike."""
    mixed = ids.astype(np.uint64) + _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    mixed ^= mixed >> np.uint64(31)
    return (mixed % np.uint64(buckets)).astype(np.int64)
