"""When the version should get traffic: Triton has both models, warm, and no end is near."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)
POLL_SECONDS = 0.2


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
