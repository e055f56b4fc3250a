"""When the version should get traffic: Triton has both models, warm, and no end is near."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from recommender_serving.artifact import Artifact
from recommender_serving.fallback import Ranker, Tensors
from recommender_serving.tensors import build
from recommender_serving.types import RankerError, RecommendRequest, SessionEvent

logger = logging.getLogger(__name__)
POLL_SECONDS = 0.2
WARM_UP_CALLS = 4  # of each shape: TorchScript profiles the first runs of a graph, then compiles
WARM_UP_SECONDS = 10.0  # for all of them


class Readiness:
    """Ready when Triton is, after a warm-up, until the process is told to end."""

    def __init__(self, triton_ready: Callable[[], Awaitable[bool]]) -> None:
        self._triton_ready = triton_ready
        self._warm = False
        self._draining = False

    @property
    def draining(self) -> bool:
        """Whether the process was told to end."""
        return self._draining

    def drain(self) -> None:
        """Be ready no more, whatever Triton says."""
        self._draining = True

    async def ready(self) -> bool:
        """Tell whether traffic is welcome; asks Triton, so that its death is seen at once."""
        return self._warm and not self._draining and await self._triton_ready()

    async def open(self, warm_up: Callable[[], Awaitable[None]]) -> None:
        """Wait for Triton, warm it up, and be ready from then on."""
        while not await self._triton_ready():
            await asyncio.sleep(POLL_SECONDS)
        await warm_up()
        self._warm = True
        logger.info("Triton has both models: ready")


async def warm_up(rankers: tuple[Ranker, ...], artifact: Artifact) -> None:
    """Call each model with each shape, so that no user pays for first runs.

    Nothing here is counted, and a fault stops nothing: a broken model must reach the smoke
    inference and the analysis, which can say what is wrong with it.
    """
    item = next(iter(artifact.vocabulary.genre_of))
    event = SessionEvent(item=item, timestamp=1)
    requests = [
        RecommendRequest(user_id=-1, timestamp=2, top_n=1),
        RecommendRequest(user_id=-1, timestamp=2, top_n=1, session=(event,)),
    ]
    try:
        async with asyncio.timeout(WARM_UP_SECONDS):
            for request in requests * WARM_UP_CALLS:
                tensors = build(request, artifact.vocabulary)
                for ranker in rankers:
                    await _once(ranker, tensors)
    except TimeoutError:
        logger.warning("the warm-up took more than %s s: opening without it", WARM_UP_SECONDS)


async def _once(ranker: Ranker, tensors: Tensors) -> None:
    try:
        await ranker.rank(tensors, 1, WARM_UP_SECONDS)
    except RankerError as error:
        logger.warning("a model failed in the warm-up: %s", error)
