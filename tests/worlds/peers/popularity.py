"""Popularity of the last hour, day or week, or of all time, live until the request."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.worlds.peers.known import Known, Peer, Scorer, Setting, taken
from tests.worlds.world import DAY, HOUR, Doubles, Log

WINDOWS = {"hour": HOUR, "day": DAY, "week": 7 * DAY, "all": 10_000 * DAY}


def fit(window: int, log: Log, items: int, setting: Setting) -> Scorer:
    """Nothing is learned; the counts are those of the request's own time."""
    (positive,) = setting

    def scores(known: Known) -> Doubles:
        past = known.past
        rows = taken(past, positive) & (past.time >= known.time - window)
        return np.bincount(past.item[rows], minlength=items).astype(np.float64)

    return scores


PEERS = {
    f"popular-{name}": Peer(partial(fit, seconds), [(False,), (True,)])
    for name, seconds in WINDOWS.items()
}
