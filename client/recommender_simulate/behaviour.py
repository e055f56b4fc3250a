"""The clicks of a user in a list: pure.

A user looks at the item of rank k (0 is the first) with the chance (k + 1) ** -attention, and
clicks on what he or she looks at by taste: the position-based model (Craswell et al. 2008,
"An experimental comparison of click position-bias models").
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from recommender_client import Kind
from recommender_client.values import Id
from recommender_simulate.user_tastes import Tastes


@dataclass(frozen=True, slots=True)
class Act:
    """A user's act on an item; `value` is the money of a purchase."""

    kind: Kind
    item: Id
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Behaviour of all users."""

    attention: float = 0.7  # 0: the user looks at the whole list
    purchase_share: float = 0.1  # of the clicks
    price: float = 20.0  # median of the money of a purchase, which is log-normal
    price_spread: float = 0.8  # standard deviation of its logarithm

    def __post_init__(self) -> None:
        if not 0 <= self.purchase_share <= 1:
            raise ValueError(f"purchase_share: got {self.purchase_share}; give 0 to 1")
        for name in ("attention", "price", "price_spread"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name}: got {value}; give a number of at least 0")

    def looks(self, rank: int) -> float:
        """Return the chance that a user looks at the item of a rank."""
        return float((rank + 1) ** -self.attention)

    def expected_clicks(
        self, tastes: Tastes, user: Id, items: Sequence[Id], appeal: float = 1.0
    ) -> float:
        """Return the mean number of clicks on a list: how good it truly is for the user."""
        return sum(
            self.looks(rank) * _liked(tastes, user, item, appeal)
            for rank, item in enumerate(items)
        )

    def act(
        self,
        tastes: Tastes,
        user: Id,
        items: Sequence[Id],
        draws: random.Random,
        appeal: float = 1.0,
    ) -> list[Act]:
        """Return the clicks on a list, each perhaps with a purchase.

        `appeal` multiplies each chance of a click, at most to 1.
        """
        acts: list[Act] = []
        for rank, item in enumerate(items):
            if draws.random() >= self.looks(rank) * _liked(tastes, user, item, appeal):
                continue
            acts.append(Act(Kind.CLICK, item))
            if draws.random() < self.purchase_share:
                money = self.price * math.exp(draws.gauss(0, self.price_spread))
                acts.append(Act(Kind.PURCHASE, item, round(money, 2)))
        return acts


def _liked(tastes: Tastes, user: Id, item: Id, appeal: float) -> float:
    return min(1.0, appeal * tastes.chance(user, item))
