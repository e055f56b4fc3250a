"""Answer users of the holdout: from the fallbacks alone, and apart from all other users.

The model is never asked, and no answer is kept for or taken from others. What judges a version
has nothing of these requests: they are in no `recommender_*` metric (requests, latency, answers,
fallbacks from the model, drift) and in none of the cache. The reads of the store, the stages, the
failures of the baseline and the limits of lists count them too.
"""

from __future__ import annotations

import logging

from recommender_serving.domain.types import Answer, RecommendRequest
from recommender_serving.monitoring import call_record
from recommender_serving.monitoring.version_metrics import Metrics
from recommender_serving.ranking.fallback_chain import Chain
from recommender_serving.ranking.user_history import History

logger = logging.getLogger(__name__)


class HoldoutRecommender:
    """Answers and counts requests of the holdout."""

    def __init__(self, fallbacks: Chain, metrics: Metrics, history: History | None = None) -> None:
        self._fallbacks = fallbacks
        self._metrics = metrics
        self._history = history

    async def answer(self, request: RecommendRequest, deadline: float | None = None) -> Answer:
        """Answer, by the time `deadline` of the event loop."""
        self._metrics.started()  # autoscalers have to know of this work too
        call = call_record.current()
        if call is not None:
            call.asked(request.user_id)
        try:
            if self._history is not None:
                request = await self._history.complete(request)
            answer = await self._fallbacks.answer(request, deadline)
        except Exception as bug:
            logger.exception("a bug: the popularity list answers")
            if call is not None:
                call.met(bug)
            self._metrics.holdout.failed()
            answer = self._fallbacks.instead(request)
        else:
            self._metrics.holdout.answered(answer.source)
        finally:
            self._metrics.ended()
        if call is not None:
            call.answered(answer.source)
        return answer
