"""Bound a proposed window of attribution by the span of a log.

The label of an impression is known when its window has passed, so a window as long as a part of
the log (training, validation, test) leaves that part without labels.
"""

from __future__ import annotations

import numpy as np

from recommender_training.common.arrays import Ints
from recommender_training.config.label import SECONDS_AN_HOUR
from recommender_training.data.training_window import places

#: Share of the impressions of each part whose label must be known at its end.
_KNOWN = 0.5
#: Labelled rows below which there are no parts, as in `data.splits`.
_LEAST_ROWS = 10


def fitting(hours: float, impressions: Ints, last: int) -> float | None:
    """Return the longest window, halving `hours`, that leaves labels in each part of the log.

    `impressions` are times in order and `last` is the last time of the log, in seconds. None if
    there is no such window.
    """
    for halvings in range(24):
        window = hours / 2.0**halvings
        shown: float = round(window) if window >= 1 else round(window, 3)
        if shown > 0 and _fits(max(1, round(shown * SECONDS_AN_HOUR)), impressions, last):
            return shown
    return None


def _fits(seconds: int, impressions: Ints, last: int) -> bool:
    times = impressions[impressions + seconds <= last]
    if len(times) < _LEAST_ROWS:
        return False
    first, second = (int(times[place]) for place in places(len(times)))
    starts = np.searchsorted(times, [first, second], side="left")
    train, validation, test = np.split(times, starts)
    known = ((train, first), (validation, second))
    return len(test) > 0 and all(
        len(part) > 0 and np.mean(part + seconds <= end) >= _KNOWN for part, end in known
    )
