"""What lists of a large catalogue are worth to requests, by the true odds.

The odds of every request and item would not fit into memory: they are computed for some requests
at a time, of which the largest ones and the mean are kept, and again for the items of each list.

Legend of shapes: R requests, I items, K places of a list.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender_examples.shop_world import World
from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.statistics import model_metrics
from tests.benchmarks.schema_new_items import TOP_K, odds_of, true_odds

#: Odds that are in memory at once.
_BLOCK = 4_000_000


@dataclass(frozen=True)
class Worth:
    """Gains where some items count: the largest ones of each request, and the mean."""

    counts: Bools  # [I] the gain of all others is 0
    best: Ints  # [R, K] items, the best first
    most: Doubles  # [R, K] their gains
    mean: Doubles  # [R]


@dataclass(frozen=True)
class Asking:
    """Requests of users at `end` (seconds), of all items; both by their rows in the world."""

    world: World
    users: Ints  # [R]
    items: Ints  # [I]
    end: int

    def worth(self, *counted: Bools) -> list[Worth]:
        """Worth where only the items [I] that count have a gain, for each of `counted`."""
        size = max(1, _BLOCK // len(self.items))
        parts: list[list[Worth]] = []
        for first in range(0, len(self.users), size):
            odds = true_odds(self.world, self.users[first : first + size], self.items, self.end)
            parts.append([_worth(odds, counts) for counts in counted])
        return [_joined(of_blocks) for of_blocks in zip(*parts, strict=True)]

    def ndcg(self, top: Ints, worth: Worth) -> Doubles:
        """[R] NDCG of lists of items [R, K]."""
        gain = odds_of(self.world, self.users[:, None], self.items[top], self.end)
        weight = model_metrics.discounts(top.shape[1])
        found: Doubles = (gain * worth.counts[top]) @ weight / (worth.most @ weight)
        return found


def ndcg_of_chance(worth: Worth) -> Doubles:
    """[R] expected NDCG of a random order."""
    weight = model_metrics.discounts(worth.most.shape[1])
    found: Doubles = worth.mean * weight.sum() / (worth.most @ weight)
    return found


def _worth(odds: Doubles, counts: Bools) -> Worth:
    gain = np.where(counts, odds, 0.0)
    some = np.argpartition(-gain, TOP_K - 1, axis=1)[:, :TOP_K]
    order = np.argsort(-np.take_along_axis(gain, some, 1), axis=1, kind="stable")
    best = np.take_along_axis(some, order, 1).astype(np.int64)
    return Worth(counts, best, np.take_along_axis(gain, best, 1), gain.mean(1))


def _joined(blocks: tuple[Worth, ...]) -> Worth:
    best, most, mean = (
        np.concatenate([getattr(block, name) for block in blocks])
        for name in ("best", "most", "mean")
    )
    return Worth(blocks[0].counts, best, most, mean)
