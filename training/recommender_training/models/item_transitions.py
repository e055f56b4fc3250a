"""Item transitions: how often one item came after another, a part of the item-to-item weights.

Recent events count more, popular items less. Events of one second follow one another in either
order, since nobody knows which was first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.data.dataset import Events

#: An event counts for those up to LAGS before it, e times less with every LAG_SCALE between, and
#: e times less with every FOLLOWING_DAYS of its own age.
LAGS, LAG_SCALE, TRANSITION_DAYS = 40, 20.0, 60.0
#: Exponents of the popularity of the earlier and of the later item, and events added to each.
EARLIER_POWER, LATER_POWER, ADDED_EVENTS = 0.6, 0.4, 5.0
#: Events that are looked at at a time: what is computed from them is larger than they are.
BLOCK_EVENTS = 1_000_000
_DAY = 86_400.0


@dataclass(frozen=True)
class ItemTransitions:
    """The popularity of the items, and the time of the newest event."""

    popularity: Doubles  # [I]
    newest: int

    @classmethod
    def of(cls, events: Events, count: int) -> ItemTransitions:
        """From all events that count, which are sorted by time."""
        popularity: Doubles = np.bincount(events.item, minlength=count) + np.float64(ADDED_EVENTS)
        return cls(popularity, int(events.time[-1]) if len(events) else 0)

    def sums(self, events: Events, earlier: Bools | None = None) -> sp.csr_matrix:
        """[I, I] weight of what came after what in the events of some users.

        With `earlier` [I], only rows of these items are computed.
        """
        count = len(self.popularity)
        if len(events) == 0:
            return sp.csr_matrix((count, count))
        order = np.lexsort((events.item, events.time, events.user))
        user, item, time = events.user[order], events.item[order], events.time[order]
        recent = np.exp((time - self.newest) / (TRANSITION_DAYS * _DAY))
        wanted = np.ones(len(item), dtype=np.bool_) if earlier is None else earlier[item]
        parts: list[tuple[Doubles, Ints, Ints]] = []
        for lag in range(1, min(LAGS, len(events) - 1) + 1):
            same = user[lag:] == user[:-lag]
            weight = np.exp(-lag / LAG_SCALE) * recent[lag:]
            forward = same & wanted[:-lag]
            parts.append((weight[forward], item[:-lag][forward], item[lag:][forward]))
            tied = same & (time[lag:] == time[:-lag]) & wanted[lag:]
            parts.append((weight[tied], item[lag:][tied], item[:-lag][tied]))
        if not parts:
            return sp.csr_matrix((count, count))
        weight, row, column = (np.concatenate(part) for part in zip(*parts, strict=True))
        return sp.coo_matrix((weight, (row, column)), shape=(count, count)).tocsr()

    def weighted(self, sums: sp.csr_matrix) -> sp.csr_matrix:
        """[I, I] the sums, less for popular items."""
        left = sp.diags(self.popularity**-EARLIER_POWER)
        return (left @ sums @ sp.diags(self.popularity**-LATER_POWER)).tocsr()


def by_users(events: Events) -> Iterator[Events]:
    """The events, those of some users at a time: about BLOCK_EVENTS."""
    if len(events) <= BLOCK_EVENTS:
        yield events
        return
    last = np.cumsum(np.bincount(events.user))
    block = ((last - 1) // BLOCK_EVENTS).astype(np.int16)[events.user]
    for number in np.unique(block):
        yield events.take(block == number)
