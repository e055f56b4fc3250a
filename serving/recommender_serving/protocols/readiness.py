"""Readiness for traffic: both models are loaded and warm, and no shutdown has started."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)
POLL_SECONDS = 0.2


class Readiness:
    """Ready after the warm-up, while Triton is ready and until the drain starts."""

    def __init__(self, triton_ready: Callable[[], Awaitable[bool]]) -> None:
        self._triton_ready = triton_ready
        self._warm = False
        self._draining = False

    @property
    def draining(self) -> bool:
        """Whether the shutdown has started."""
        return self._draining

    def drain(self) -> None:
        """Become unready for good, whatever the state of Triton."""
        self._draining = True

    async def ready(self) -> bool:
        """Return whether to send traffic; queries Triton, so that a crash shows at once."""
        return self._warm and not self._draining and await self._triton_ready()

    async def open(self, warm_up: Callable[[], Awaitable[None]]) -> None:
        """Wait for Triton, warm it up, and become ready."""
        while not await self._triton_ready():
            await asyncio.sleep(POLL_SECONDS)
        await warm_up()
        self._warm = True
        logger.info("Triton has both models: ready")
