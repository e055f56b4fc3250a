"""First calls to the models before traffic, so that no user waits for compilation."""

from __future__ import annotations

import asyncio
import logging

from recommender_serving.artifact.loader import Artifact
from recommender_serving.domain.types import RankerError, RecommendRequest, SessionEvent
from recommender_serving.ranking.fallback_chain import Ranker
from recommender_serving.triton.inputs import Tensors, build_tensors

logger = logging.getLogger(__name__)
WARM_UP_CALLS = 4  # per shape: TorchScript profiles the first runs of a graph, then compiles
WARM_UP_SECONDS = 10.0  # for all calls together


async def warm_up(rankers: tuple[Ranker, ...], artifact: Artifact) -> None:
    """Call each model with each tensor shape.

    The calls do not count in the metrics, and failures are only logged: a broken model must reach
    the smoke inference and the analysis, which report what is wrong with it.
    """
    event = SessionEvent(item=artifact.vocabulary.items.rows.smallest, timestamp=1)
    requests = [
        RecommendRequest(user_id=-1, timestamp=2, top_n=1),
        RecommendRequest(user_id=-1, timestamp=2, top_n=1, session=(event,)),
    ]
    try:
        async with asyncio.timeout(WARM_UP_SECONDS):
            for request in requests * WARM_UP_CALLS:
                tensors = build_tensors(request, artifact.vocabulary)
                for ranker in rankers:
                    await _once(ranker, tensors)
    except TimeoutError:
        logger.warning("the warm-up exceeded %s s: continuing without it", WARM_UP_SECONDS)


async def _once(ranker: Ranker, tensors: Tensors) -> None:
    try:
        await ranker.rank(tensors, 1, WARM_UP_SECONDS)
    except RankerError as error:
        logger.warning("a model failed in the warm-up: %s", error)
