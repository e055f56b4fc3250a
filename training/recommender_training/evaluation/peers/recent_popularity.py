"""The most popular items of the last hour, day and week before each request.

Popularity is the number of positive events. It is live: it includes events of the evaluated
window, all strictly before the request. Where a shorter age has equal counts, the next longer one
decides, and last the popularity of all time. Legend of shapes: I items.
"""

from __future__ import annotations

import numpy as np

from recommender_training.common.arrays import Doubles, Ints, Places
from recommender_training.data.dataset import Events

#: Ages in seconds, by peer, from the shortest.
AGES = {"popularityHour": 3_600, "popularityDay": 86_400, "popularityWeek": 7 * 86_400}


class RecentPopularity:
    """Counts of each age that follow requests in the order of their times."""

    def __init__(self, events: Events, standing: Doubles) -> None:
        positive = events.logged
        positive = positive.take(positive.positive)
        self._item, self._time = positive.item, positive.time
        self._standing = standing
        self._ages = {name: _Counts(seconds, len(standing)) for name, seconds in AGES.items()}

    def scores(self, time: int) -> dict[str, Doubles]:
        """[I] by peer, for a request at `time`, never earlier than the one before."""
        below, found = self._standing, {}
        for name, counts in reversed(self._ages.items()):
            counts.move(self._item, self._time, time)
            below = (counts.of_item + below) / (counts.of_item.max(initial=0.0) + 1.0)
            found[name] = below
        return found


class _Counts:
    """Positive events of each item from `seconds` before a time up to it, without its second."""

    def __init__(self, seconds: int, items: int) -> None:
        self.of_item: Doubles = np.zeros(items)
        self._seconds, self._first, self._end = seconds, 0, 0

    def move(self, item: Places, event_time: Ints, now: int) -> None:
        """Count up to `now`."""
        first, end = np.searchsorted(event_time, [now - self._seconds, now])
        if first >= self._end:  # nothing that was counted still counts
            self.of_item[:] = 0.0
            self._first = self._end = first
        np.add.at(self.of_item, item[self._end : end], 1.0)
        np.subtract.at(self.of_item, item[self._first : first], 1.0)
        self._first, self._end = int(first), int(end)
