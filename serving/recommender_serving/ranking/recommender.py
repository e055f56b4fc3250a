"""Answer valid requests and count them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from recommender_serving.domain.types import Answer, Found, RecommendRequest
from recommender_serving.monitoring import call_record
from recommender_serving.monitoring.drift_features import Bins
from recommender_serving.monitoring.session_memory import SessionMemory
from recommender_serving.monitoring.version_metrics import Metrics
from recommender_serving.ranking.answer_cache import Cache
from recommender_serving.ranking.bounded_concurrency import bounded_gather
from recommender_serving.ranking.fallback_chain import Chain
from recommender_serving.ranking.holdout import HoldoutRecommender
from recommender_serving.ranking.mirroring import MirroredRecommender
from recommender_serving.ranking.user_history import History

logger = logging.getLogger(__name__)


class Recommender:
    """Answers and counts requests, independently of the protocol."""

    def __init__(
        self,
        chain: Chain,
        bins: Bins,
        sessions: SessionMemory,
        metrics: Metrics,
        clock: Callable[[], float],
        history: History | None = None,
        cache: Cache | None = None,
        mirrored: MirroredRecommender | None = None,
        holdout: HoldoutRecommender | None = None,
    ) -> None:
        """Create it.

        `mirrored` answers copies, and `holdout` users of the holdout: neither counts as a request.
        """
        self._holdout = holdout
        self._chain = chain
        self._bins = bins
        self._sessions = sessions
        self._metrics = metrics
        self._clock = clock
        self._history = history
        self._cache = cache
        self.mirrored = mirrored

    @property
    def metrics(self) -> Metrics:
        """The metrics, which also count rejected requests."""
        return self._metrics

    async def recommend(
        self, requests: Sequence[RecommendRequest], deadline: float | None = None
    ) -> list[Answer]:
        """Answer every request, in order, by the time `deadline` of the event loop.

        A bug that one of them meets takes no other along: see `Answer.failed`.
        """
        return await bounded_gather(partial(self._one, deadline), requests)

    async def _one(self, deadline: float | None, request: RecommendRequest) -> Answer:
        if request.held and self._holdout is not None:
            return await self._holdout.answer(request, deadline)
        start = self._clock()
        self._metrics.started()
        call = call_record.current()
        if call is not None:
            call.asked(request.user_id)
        try:
            if self._history is not None:
                request = await self._history.complete(request)
            answer, found = await self._answer(request, deadline)
            # Seeds are no session, and a selection changes the best score.
            if request.selection.usual and self._sessions.first_seen(request.session_id):
                self._metrics.session(self._bins.place(request, answer))
        except Exception as bug:
            logger.exception("a bug: the popularity list answers")
            if call is not None:
                call.met(bug)
            self._metrics.failed(self._clock() - start)
            answer = self._chain.instead(request)
        else:
            seconds = self._clock() - start
            self._metrics.answered(answer.source, seconds, asked=found is Found.MISS)
        finally:
            self._metrics.ended()
        if call is not None:
            call.answered(answer.source)
        return answer

    async def _answer(
        self, request: RecommendRequest, deadline: float | None
    ) -> tuple[Answer, Found]:
        if self._cache is not None:
            if self.mirrored is not None:
                self.mirrored.make_room()
            return await self._cache.answer(request, deadline)
        return await self._chain.answer(request, deadline), Found.MISS
