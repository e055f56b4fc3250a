"""A bonus for groups of items that are shown less than they are relevant. Pure.

Fairness of exposure (Singh and Joachims 2018) demands of the lists of many requests together
that each group gets a share of the exposure in proportion to its relevance. Where the constraints
are linear, the best lists are those ordered by score plus one number a group, the multiplier of
its constraint; Morik et al. (2020, FairCo) order by such a sum as well. So the order of a list is
the model's rank plus the bonus of the item's groups, never negative: in the exported graph one
addition, the same for every request, and items of the same groups keep their order.

The multipliers are found by subgradient ascent on held-out requests, where relevance is
known. No bonus is above `max_bonus`, so nothing is shown whose rank is further below that of what
it displaces. Of a large catalogue the candidates alone are ordered. Legend: R requests, I items,
G groups, C candidates, K ranks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recommender_contract.resource.mitigation import Exposure
from recommender_training.common.arrays import Bools, Doubles, Floats, Ints
from recommender_training.statistics import model_metrics

#: Steps of the ascent; a step moves a bonus by at most FIRST_STEP of the largest one, and less
#: with the square root of their number.
STEPS, FIRST_STEP = 200, 0.25
#: It aims a little above the constraint, or it would come near for ever and not reach it.
AIM = 1.05
#: A bonus is rounded to so many digits, so that a report states it exactly.
_DIGITS = 4


@dataclass(frozen=True)
class Wanted:
    """Wanted shares of the groups, on the requests that the bonus is found on."""

    items: Ints  # [R, C] candidates of each request
    scores: Doubles  # [R, C] their ranks, -inf for items that a request may not get
    membership: Doubles  # [I, G] rows sum to one at most
    relevance: Doubles  # [G] share of the relevant items
    bound: Bools  # [G] groups that the constraint is for


@dataclass(frozen=True)
class Bonus:
    """The bonus of each group, and the lists that it was found on, without and with it."""

    by: str
    value: Doubles  # [G] in the unit of the rank, a logit
    relevance: Doubles  # [G]
    before: Doubles  # [G] share of the exposure
    after: Doubles  # [G]
    bound: Bools = field(repr=False)  # [G]
    met: bool  # each bound group has its share

    def of_items(self, membership: Doubles) -> Floats:
        """[I] bonus of each item."""
        return of_items(self.value, membership)

    def report(self, names: tuple[str, ...]) -> list[dict[str, Any]]:
        """One entry a group, for the report; `ratio` is null without relevance."""

        def ratio(share: Doubles, code: int) -> float | None:
            wanted = float(self.relevance[code])
            return round(float(share[code]) / wanted, 6) if wanted > 0 else None

        return [
            {
                "name": name,
                "bonus": round(float(self.value[code]), _DIGITS),
                "relevanceShare": round(float(self.relevance[code]), 6),
                "ratioBefore": ratio(self.before, code),
                "ratioAfter": ratio(self.after, code),
                "bound": bool(self.bound[code]),
            }
            for code, name in enumerate(names)
        ]


def of_items(value: Doubles, membership: Doubles) -> Floats:
    """[I] bonus of each item: the mean of those of its groups, in the precision of the graph."""
    return np.asarray(membership @ value, dtype=np.float32)


def fit(wanted: Wanted, settings: Exposure, k: int) -> Bonus:
    """The bonus that meets the constraint on lists of `k` at the least loss of rank.

    The loss is that of the sum of the ranks, discounted as exposure is. Where no bonus within the
    limit meets it (or there is no request), the one whose worst group is nearest to it is
    returned, with `met` false. No bonus is needed by a group without items or relevance.
    """
    floor = settings.min_exposure_ratio
    lists = _Lists(wanted, settings.max_bonus, k)
    value = np.zeros(wanted.membership.shape[1])
    before, _ = lists.shown(value)
    if not wanted.bound.any() or len(wanted.scores) == 0:
        return Bonus(settings.by, value, wanted.relevance, before, before, wanted.bound, True)
    best: tuple[tuple[float, float], Doubles, Doubles] | None = None
    for step in range(STEPS):
        share, rank = lists.shown(value)
        ratio = np.divide(share, wanted.relevance, out=np.ones_like(share), where=wanted.bound)
        objective = (min(floor, float(ratio[wanted.bound].min())), rank)
        if best is None or objective > best[0]:
            best = (objective, value, share)
        if step == 0 and objective[0] >= floor:
            break  # it is met as it is
        size = FIRST_STEP * settings.max_bonus / np.sqrt(step + 1)
        missing = np.clip(AIM - ratio / floor, -1.0, 1.0) * wanted.bound
        moved = np.clip(value + size * missing, 0.0, settings.max_bonus)
        value = np.round(moved, _DIGITS)
    assert best is not None
    (reached, _), chosen, after = best
    met = reached >= floor
    return Bonus(settings.by, chosen, wanted.relevance, before, after, wanted.bound, met)


class _Lists:
    """Lists of the candidates that any bonus could bring among the best `k`."""

    def __init__(self, wanted: Wanted, max_bonus: float, k: int) -> None:
        scores = wanted.scores
        left = np.isfinite(scores).sum(1).min(initial=k)
        self._k = int(min(k, left))
        self._membership = wanted.membership
        weight = model_metrics.discounts(self._k)
        self._weight = weight / weight.sum() if self._k else weight
        if len(scores) == 0 or self._k == 0:
            self._items: Ints = np.zeros((len(scores), 0), dtype=np.int64)
            self._scores = np.zeros((len(scores), 0))
            return
        last = -np.partition(-scores, self._k - 1, axis=1)[:, self._k - 1 : self._k]
        width = max(self._k, int((scores >= last - max_bonus).sum(1).max()))
        order = np.argsort(-scores, axis=1, kind="stable")[:, :width]
        self._items = np.take_along_axis(wanted.items, order, axis=1)
        self._scores = np.take_along_axis(scores, order, axis=1)

    def shown(self, value: Doubles) -> tuple[Doubles, float]:
        """[G] share of the exposure with this bonus, and the mean discounted rank of a list."""
        if self._items.size == 0:
            return np.zeros(self._membership.shape[1]), 0.0
        bonus = of_items(value, self._membership)[self._items]
        order = np.argsort(-(self._scores + bonus), axis=1, kind="stable")[:, : self._k]
        items = np.take_along_axis(self._items, order, axis=1)
        rank = np.take_along_axis(self._scores, order, axis=1)
        count = len(items)
        exposure = np.bincount(
            items.ravel(),
            weights=np.broadcast_to(self._weight, items.shape).ravel(),
            minlength=len(self._membership),
        )
        return exposure @ self._membership / count, float((rank @ self._weight).mean())
