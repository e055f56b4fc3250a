"""Intervals by resampling users: the rows of one user are alike, so whole users are drawn.

A resample draws as many users as there are, with replacement, and is held as how often each was
drawn; every metric of it is then a weighted one. All models and all groups are evaluated on the
same resamples, so that differences are paired. Intervals are of percentiles. Legend of shapes: B
resamples, U users, N rows (of a metric: events or requests).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recommender_training.common.arrays import Bools, Doubles, Ints

LEVEL = 0.95
SEED = 0
#: With fewer users an interval of percentiles is too narrow to report.
MIN_USERS = 10
MAX_RESAMPLES, MIN_RESAMPLES = 2000, 200
#: Resamples times rows: bounds the time, half a second an AUC, until MIN_RESAMPLES is reached.
_WORK = 40_000_000
#: Numbers in one block of a computation, so that it stays in the cache.
_BLOCK = 1_000_000
#: An interval needs its metric defined in this share of the resamples.
_DEFINED_SHARE = 0.95


@dataclass(frozen=True)
class Resamples:
    """How often each user was drawn."""

    users: Ints  # [U] distinct, ascending
    weight: npt.NDArray[np.uint16]  # [B, U]
    level: float
    seed: int

    def __len__(self) -> int:
        return len(self.weight)

    def place(self, user: Ints) -> Ints:
        """Column of each user in `weight`; they all have to be among `users`."""
        return np.searchsorted(self.users, user).astype(np.int64)


def draw(
    user: Ints, *, resamples: int | None = None, level: float = LEVEL, seed: int = SEED
) -> Resamples:
    """Resample the users of these rows [N].

    Their number is bounded by the rows, `resamples` sets it otherwise.
    """
    users = np.unique(user).astype(np.int64)
    count = len(users)
    if resamples is None:
        resamples = min(MAX_RESAMPLES, max(MIN_RESAMPLES, _WORK // max(1, len(user))))
    random = np.random.default_rng(seed)
    weight = np.empty((resamples, count), dtype=np.uint16)
    for row in weight:
        row[:] = np.bincount(random.integers(count, size=count), minlength=count)
    return Resamples(users, weight, level, seed)


def mean(drawn: Resamples, values: Doubles, user: Ints) -> Doubles:
    """[B] mean of `values` [N] over the rows of the users drawn; NaN where none has a row."""
    place, count = drawn.place(user), len(drawn.users)
    total = np.bincount(place, weights=values, minlength=count)
    rows = np.bincount(place, minlength=count).astype(np.float64)
    return _ratio(drawn.weight @ total, drawn.weight @ rows)


def means(drawn: Resamples, values: Doubles, user: Ints) -> Doubles:
    """[B, G] means of several columns of values [N, G]."""
    place = drawn.place(user)
    total = np.zeros((len(drawn.users), values.shape[1]))
    np.add.at(total, place, values)
    rows = np.bincount(place, minlength=len(drawn.users)).astype(np.float64)
    return _ratio(drawn.weight @ total, (drawn.weight @ rows)[:, None])


def auc(drawn: Resamples, label: Bools, score: Doubles, user: Ints) -> Doubles:
    """[B] area under the ROC curve, ties counting half; NaN where a class was not drawn."""
    place = drawn.place(user)
    rising = np.argsort(score, kind="stable")
    positive, negative = rising[label[rising]], rising[~label[rising]]
    below = np.searchsorted(score[negative], score[positive], side="left")
    up_to = np.searchsorted(score[negative], score[positive], side="right")
    parts = []
    for weight in _blocks(drawn, len(label)):
        lost = weight[place[negative]]
        lost = np.concatenate([np.zeros((1, lost.shape[1])), np.cumsum(lost, axis=0)])
        won = weight[place[positive]]
        area = np.einsum("nb,nb->b", won, lost[below] + lost[up_to]) / 2
        parts.append(_ratio(area, won.sum(0) * lost[-1]))
    return np.concatenate(parts)


def interval(
    drawn: Resamples, values: Doubles, users: int | None = None
) -> tuple[float, float] | None:
    """Low and high end for a metric's values [B]; None where they could not be trusted.

    That is where the metric is of fewer than MIN_USERS `users` (all of the window, if None), or
    where too many resamples leave it undefined.
    """
    defined = values[np.isfinite(values)]
    if (len(drawn.users) if users is None else users) < MIN_USERS or len(
        defined
    ) < _DEFINED_SHARE * len(values):
        return None
    tail = (1 - drawn.level) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def of_mean(
    values: Doubles, user: Ints, *, level: float, seed: int = SEED
) -> tuple[float, float] | None:
    """Low and high end for the mean of `values` [N]; None for fewer than MIN_USERS.

    Of MAX_RESAMPLES for any number of rows, because ends at a high level need them all. No
    resample is kept, so it needs no memory for them.
    """
    users, place = np.unique(user, return_inverse=True)
    count = len(users)
    if count < MIN_USERS:
        return None
    total, rows = np.bincount(place, weights=values), np.bincount(place)
    random = np.random.default_rng(seed)
    means_ = np.empty(MAX_RESAMPLES)
    for n in range(MAX_RESAMPLES):
        drawn = random.integers(count, size=count)
        means_[n] = total[drawn].sum() / rows[drawn].sum()
    low, high = np.quantile(means_, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _blocks(drawn: Resamples, rows: int) -> Iterator[Doubles]:
    """Parts of the transposed weights [U, some of B]."""
    columns = max(1, min(len(drawn), _BLOCK // max(1, rows)))
    for index in range(math.ceil(len(drawn) / columns)):
        part = drawn.weight[index * columns : (index + 1) * columns]
        yield np.ascontiguousarray(part.T, dtype=np.float64)


def _ratio(above: npt.NDArray[Any], below: npt.NDArray[Any]) -> Doubles:
    result = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=result, where=below > 0)
    return result
