"""Markov chains of the first and second order, which back off to shorter contexts."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

import numpy as np

from tests.worlds.peers.known import Known, Peer, Scorer, Setting, taken
from tests.worlds.world import Doubles, Ints, Log

Counts = dict[tuple[int, ...], dict[int, float]]


def transitions(log: Log, order: int, positive: bool) -> list[Counts]:
    """How often an item followed the last 0, 1 ... `order` items of its user."""
    counts: list[Counts] = [defaultdict(lambda: defaultdict(float)) for _ in range(order + 1)]
    kept = log.where(taken(log, positive))
    for user in np.unique(kept.user):
        items = kept.item[kept.user == user].tolist()
        for at, item in enumerate(items):
            for length in range(min(order, at) + 1):
                counts[length][tuple(items[at - length : at])][item] += 1
    return counts


def fit(order: int, log: Log, items: int, setting: Setting) -> Scorer:
    """A context of n events has the weight n / (n + strength), the shorter ones the rest."""
    strength, positive = setting
    counts = transitions(log, order, positive)

    def scores(known: Known) -> Doubles:
        found = shares(counts[0][()], items)[0]
        for length in range(1, min(order, len(known.items)) + 1):
            followed = counts[length].get(tuple(known.items[-length:].tolist()))
            if followed:
                here, count = shares(followed, items)
                found = (count * here + strength * found) / (count + strength)
        return found

    return scores


def shares(followed: dict[int, float], items: int) -> tuple[Doubles, float]:
    """[I] shares of the items that followed, and how many did."""
    found = np.zeros(items)
    at: Ints = np.fromiter(followed, np.int64, len(followed))
    found[at] = list(followed.values())
    count = float(found.sum())
    return found / max(count, 1.0), count


GRID = [(strength, positive) for strength in (0.3, 1.0, 3.0, 10.0) for positive in (False, True)]
PEERS = {f"markov-{order}": Peer(partial(fit, order), GRID) for order in (1, 2)}
