"""How many events items had of late, up to the moment of a request.

The online store counts the events of all users, each half after `online_store.HALF_LIFE`; these
are the same counts from the events of a data set. What they add to the order of lists is in
`features.graph.trend_scores`. Legend of shapes: I items, R requests, E events.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender_contract.online_store import HALF_LIFE, RANKED_TRENDS, TREND_SECONDS
from recommender_training.common.arrays import Doubles, Floats, Ints
from recommender_training.data.dataset import Dataset


@dataclass(frozen=True)
class Trends:
    """The events of all users."""

    item: Ints  # [E]
    time: Ints  # [E] ascending
    items: int

    @classmethod
    def of(cls, data: Dataset) -> Trends:
        """From what users did."""
        acts = data.events.acts
        return cls(acts.item.astype(np.int64), acts.time, data.items.count)

    def counts(self, times: Ints) -> Floats:
        """[R, I] decayed events strictly before each time [R]; 0 beyond the RANKED_TRENDS items
        that have most.
        """
        found = np.zeros((len(times), self.items), dtype=np.float32)
        first = (
            int(times.min()) - TREND_SECONDS if len(times) else 0
        )  # older ones count next to nothing
        counts, now, last = np.zeros(self.items), 0, int(np.searchsorted(self.time, first))
        for place in np.argsort(times, kind="stable"):
            before, now = now, int(times[place])
            counts *= _worth(before - now)
            end = int(np.searchsorted(self.time, now))
            new = slice(last, end)
            np.add.at(counts, self.item[new], _worth(self.time[new] - now))
            last = end
            some = np.flatnonzero(counts)
            if len(some) > RANKED_TRENDS:
                some = some[np.argpartition(-counts[some], RANKED_TRENDS)[:RANKED_TRENDS]]
            found[place, some] = counts[some]
        return found


def _worth(seconds: Ints | int) -> Doubles:
    """What counts of events of so many seconds from now, which are negative."""
    return np.asarray(np.exp2(np.asarray(seconds, dtype=np.float64) / HALF_LIFE))
