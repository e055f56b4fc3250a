"""Times and spans of what a request waits for: the models and the store of users."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from recommender_serving.domain.types import Ranking, Waited
from recommender_serving.monitoring.tracing import Tracing
from recommender_serving.ranking.fallback_chain import Ranker
from recommender_serving.ranking.user_history import Users
from recommender_serving.store.user_reader import User
from recommender_serving.triton.inputs import Tensors

#: Takes the seconds of one call, whether it succeeded, failed or was cancelled.
Observe = Callable[[float], None]


@contextlib.contextmanager
def _timed(observe: Observe, clock: Callable[[], float]) -> Iterator[None]:
    start = clock()
    try:
        yield
    finally:
        observe(clock() - start)


class TimedRanker:
    """A ranker that reports how long each call takes."""

    def __init__(
        self, ranker: Ranker, observe: Observe, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._ranker = ranker
        self._observe = observe
        self._clock = clock

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:
        """Rank as the ranker does."""
        with _timed(self._observe, self._clock):
            return await self._ranker.rank(tensors, top_n, timeout)


class TimedUsers:
    """Users whose reads are measured."""

    def __init__(
        self, users: Users, observe: Observe, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._users = users
        self._observe = observe
        self._clock = clock

    @property
    def hides(self) -> bool:
        """True if the users know items to leave out."""
        return self._users.hides

    async def read(self, user: int) -> User:
        """Read as the users do."""
        with _timed(self._observe, self._clock):
            return await self._users.read(user)


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
        """True if the users know items to leave out."""
        return self._users.hides

    async def read(self, user: int) -> User:
        """Read as the users do."""
        with self._tracing.stage(Waited.STORE):
            return await self._users.read(user)
