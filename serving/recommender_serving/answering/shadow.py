"""Answer copies of users' requests, so that nothing of a copy reaches a user or a count of users.

A copy is answered as the request would be, with a read of the store and the same models. But it
neither reads nor fills the cache of answers, starts no session of the drift counts, and is counted
apart. That it is not reported and explores nothing, the protocols see to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from recommender_serving.answering.fallback import Chain
from recommender_serving.answering.history import History
from recommender_serving.answering.waves import in_waves
from recommender_serving.domain.types import Answer, RecommendRequest
from recommender_serving.monitoring import calls
from recommender_serving.monitoring.metrics import Metrics


class Shadow:
    """Answers and counts copies, independently of the protocol."""

    def __init__(
        self,
        chain: Chain,
        metrics: Metrics,
        clock: Callable[[], float],
        history: History | None = None,
    ) -> None:
        """`chain` counts its fallbacks as those of copies."""
        self._chain = chain
        self._metrics = metrics
        self._clock = clock
        self._history = history

    async def recommend(
        self, requests: Sequence[RecommendRequest], deadline: float | None = None
    ) -> list[Answer]:
        """Answer every copy, in order, by the time `deadline` of the event loop."""
        return await in_waves(partial(self._one, deadline), requests)

    async def _one(self, deadline: float | None, request: RecommendRequest) -> Answer:
        start = self._clock()
        self._metrics.started()  # autoscalers have to know of this work too
        call = calls.current()
        if call is not None:
            call.asked(request.user_id)
        try:
            if self._history is not None:
                request = await self._history.complete(request)
            answer = await self._chain.answer(request, deadline)
        except Exception:
            self._metrics.shadow.failed(self._clock() - start)
            raise
        finally:
            self._metrics.ended()
        self._metrics.shadow.answered(answer.source, self._clock() - start)
        if call is not None:
            call.answered(answer.source)
        return answer
