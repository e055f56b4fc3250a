"""Answer copies of users' requests, so that nothing of a copy reaches a user or a count of users.

A copy is answered as the request would be, with a read of the store, the same models and a cache,
so that its figures compare with those of users. But that cache never answers a user, and a copy
starts no session of the drift counts and is counted apart. That it is not reported and explores
nothing, the pipeline sees to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from recommender_serving.domain.types import Answer, Found, RecommendRequest
from recommender_serving.monitoring import call_record
from recommender_serving.monitoring.version_metrics import Metrics
from recommender_serving.ranking.answer_cache import Cache
from recommender_serving.ranking.bounded_concurrency import bounded_gather
from recommender_serving.ranking.fallback_chain import Chain
from recommender_serving.ranking.user_history import History


class MirroredRecommender:
    """Answers and counts copies, independently of the protocol."""

    def __init__(
        self,
        chain: Chain,
        metrics: Metrics,
        clock: Callable[[], float],
        history: History | None = None,
        cache: Cache | None = None,
        patience: float = 0.0,
    ) -> None:
        """`chain` counts its fallbacks as those of copies; `cache` asks it, and counts nothing.

        A sender that gives up a copy within `patience` seconds, all that the models may take,
        has ended itself.
        """
        self._chain = chain
        self._metrics = metrics
        self._clock = clock
        self._history = history
        self._cache = cache
        self._patience = patience

    def make_room(self) -> None:
        """Forget answers to copies, once users fill their own cache: the memory is for one."""
        if self._cache is not None:
            self._cache.clear()

    async def recommend(
        self, requests: Sequence[RecommendRequest], deadline: float | None = None
    ) -> list[Answer]:
        """Answer every copy, in order, by the time `deadline` of the event loop."""
        return await bounded_gather(partial(self._one, deadline), requests)

    async def _one(self, deadline: float | None, request: RecommendRequest) -> Answer:
        start = self._clock()
        self._metrics.started()  # autoscalers have to know of this work too
        call = call_record.current()
        if call is not None:
            call.asked(request.user_id)
        try:
            if self._history is not None:
                request = await self._history.complete(request)
            answer, found = await self._answer(request, deadline)
        except asyncio.CancelledError:
            waited = self._clock() - start
            if waited > self._patience:  # what hangs must not go uncounted
                self._metrics.shadow.failed(waited)
            raise
        except Exception:
            self._metrics.shadow.failed(self._clock() - start)
            raise
        finally:
            self._metrics.ended()
        seconds = self._clock() - start
        self._metrics.shadow.answered(answer.source, seconds, asked=found is Found.MISS)
        if call is not None:
            call.answered(answer.source)
        return answer

    async def _answer(
        self, request: RecommendRequest, deadline: float | None
    ) -> tuple[Answer, Found]:
        if self._cache is not None:
            return await self._cache.answer(request, deadline)
        return await self._chain.answer(request, deadline), Found.MISS
