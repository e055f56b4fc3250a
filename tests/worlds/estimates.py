"""Ratios with intervals over users and seeds, and the quality of probabilities by the truth.

Shapes: R requests, K rows, S seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.worlds.world import Doubles, Ints

RESAMPLES = 1000


@dataclass(frozen=True)
class Paired:
    """[R] values of two sides for the same requests of one seed, and their users."""

    users: Ints
    ours: Doubles
    theirs: Doubles


def ratio(sides: Sequence[Paired], seed: int = 0) -> tuple[float, float, float]:
    """Sum of ours over sum of theirs, all seeds together, and its 95 % interval.

    A resample draws seeds, and in each of them users, with replacement. With one seed, the
    interval is over users alone.
    """
    random = np.random.default_rng(seed)
    by_user = [
        np.stack([np.bincount(each.users, values) for values in (each.ours, each.theirs)])[
            :, np.unique(each.users)
        ]
        for each in sides
    ]
    drawn = np.zeros((RESAMPLES, 2))
    for row in range(RESAMPLES):
        for at in random.integers(len(by_user), size=len(by_user)):
            sums = by_user[at]
            drawn[row] += sums[:, random.integers(sums.shape[1], size=sums.shape[1])].sum(axis=1)
    ours, theirs = np.sum([each.sum(axis=1) for each in by_user], axis=0)
    low, high = np.percentile(drawn[:, 0] / np.maximum(drawn[:, 1], 1e-300), [2.5, 97.5])
    return float(ours / theirs), float(low), float(high)


def auc(scores: Doubles, chances: Doubles) -> float:
    """The expected AUC of [K] scores, if row k is positive with its chance."""
    values, at = np.unique(scores, return_inverse=True)
    positive = np.bincount(at, chances, len(values))
    negative = np.bincount(at, 1 - chances, len(values))
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / (positive.sum() * negative.sum()))


def normalised_entropy(scores: Doubles, chances: Doubles, rate: float) -> float:
    """The expected log loss of [K] probabilities over that of the constant `rate`."""

    def loss(given: Doubles) -> float:
        safe = np.clip(given, 1e-6, 1 - 1e-6)
        return -float((chances * np.log(safe) + (1 - chances) * np.log(1 - safe)).mean())

    return loss(scores) / loss(np.full(len(chances), rate))
