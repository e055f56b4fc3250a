"""Spans around what a request waits for: the models and the store of users."""

from __future__ import annotations

from recommender_serving.answering.fallback import Ranker
from recommender_serving.answering.history import Users
from recommender_serving.domain.types import Ranking, Waited
from recommender_serving.monitoring.tracing import Tracing
from recommender_serving.store.reader import User
from recommender_serving.triton.inputs import Tensors


class TracedRanker:
    """A ranker whose calls have spans."""

    def __init__(self, ranker: Ranker, tracing: Tracing, stage: Waited) -> None:
        self._ranker = ranker
        self._tracing = tracing
        self._stage = stage

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:
        """Rank as the ranker does."""
        with self._tracing.stage(self._stage):
            return await self._ranker.rank(tensors, top_n, timeout)


class TracedUsers:
    """Users whose reads have spans."""

    def __init__(self, users: Users, tracing: Tracing) -> None:
        self._users = users
        self._tracing = tracing

    @property
    def hides(self) -> bool:
        """Whether the users know items to leave out."""
        return self._users.hides

    async def read(self, user: int) -> User:
        """Read as the users do."""
        with self._tracing.stage(Waited.STORE):
            return await self._users.read(user)
