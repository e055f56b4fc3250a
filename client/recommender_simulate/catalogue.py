"""All items there are: random lists of them, and the best list of each user."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Sequence

from recommender_client import Query, Recommendation
from recommender_client.values import Id
from recommender_simulate.click_memory import Memory
from recommender_simulate.user_tastes import Tastes

#: The version that events about random lists name.
RANDOM = "random"
_TOP_N = 10


class Best:
    """The best list of each user, by the truth: what a perfect model would answer.

    Models leave out what a user clicked on last, and so do these lists. The best value thus falls
    while users click, for every model alike.
    """

    def __init__(self, items: Sequence[Id], tastes: Tastes, memory: Memory) -> None:
        self.memory = memory
        self._items = items
        self._tastes = tastes
        self._orders: dict[tuple[Id, int], list[Id]] = {}

    def prepare(self, users: Iterable[Id], size: int) -> None:
        """Compare all items for each user, so that no request has to wait for it."""
        for user in users:
            self._order(user, size)

    def of(self, user: Id, size: int) -> list[Id]:
        """Return the best list of a user now."""
        known = self.memory.of(user)
        return [item for item in self._order(user, size) if item not in known][:size]

    def _order(self, user: Id, size: int) -> list[Id]:
        """Return the items that a user likes most: enough for a list without the known ones."""
        key = (user, size + self.memory.last)
        if key not in self._orders:
            self._orders[key] = heapq.nlargest(
                key[1], self._items, key=lambda item: self._tastes.chance(user, item)
            )
        return self._orders[key]


class AtRandom:
    """An endpoint that shows random lists: what a shop has before its first model."""

    def __init__(self, items: Sequence[Id], seed: int) -> None:
        self._items = items
        self._draws = random.Random(seed)

    async def recommend(self, query: Query) -> Recommendation:
        """Answer with different items, each as likely."""
        size = min(query.top_n or _TOP_N, len(self._items))
        return Recommendation(
            items=tuple(self._draws.sample(self._items, size)),
            scores=(1.0,) * size,
            score_kind="popularity",
            source="popularity",
            version=RANDOM,
            request_id=f"{self._draws.getrandbits(64):016x}",
            user_id=query.user_id,
            session_id=query.session_id,
        )
