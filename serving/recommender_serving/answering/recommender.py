"""One instance from a checked request to its answer, with all that is counted on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from recommender_serving.answering.fallback import Chain
from recommender_serving.domain.types import Answer, RecommendRequest
from recommender_serving.monitoring.drift_features import Bins
from recommender_serving.monitoring.metrics import Metrics
from recommender_serving.monitoring.session_memory import SessionMemory

WAVE = 16  # instances of one call that run at the same time


class Recommender:
    """Answers requests and keeps the counts; knows no protocol."""

    def __init__(
        self,
        chain: Chain,
        bins: Bins,
        sessions: SessionMemory,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._chain = chain
        self._bins = bins
        self._sessions = sessions
        self._metrics = metrics
        self._clock = clock

    @property
    def metrics(self) -> Metrics:
        """Where refused requests are counted."""
        return self._metrics

    async def recommend(self, requests: Sequence[RecommendRequest]) -> list[Answer]:
        """Answer every instance; the order is that of the requests.

        They run at the same time, but in waves, so that a few large calls cannot take all of
        the places at the model and have others turned away.
        """
        if len(requests) == 1:
            return [await self._one(requests[0])]
        answers: list[Answer] = []
        for start in range(0, len(requests), WAVE):
            wave = requests[start : start + WAVE]
            answers += await asyncio.gather(*map(self._one, wave))
        return answers

    async def _one(self, request: RecommendRequest) -> Answer:
        start = self._clock()
        try:
            answer = await self._chain.answer(request)
            if self._sessions.first_seen(request.session_id):
                self._metrics.session(self._bins.place(request, answer))
        except Exception:
            self._metrics.failed(self._clock() - start)
            raise
        self._metrics.answered(answer.source, self._clock() - start)
        return answer
