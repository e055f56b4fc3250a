"""Readiness for traffic: requests can be answered, and no shutdown has started.

A pod that was warm stays ready while Triton restarts: its fallbacks answer. The readiness of the
model shows whether Triton answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)
POLL_SECONDS = 0.2


class Readiness:
    """Ready from the warm-up, or from the end of the wait for Triton, until the drain."""

    def __init__(
        self, triton_ready: Callable[[], Awaitable[bool]], wait: float | None = None
    ) -> None:
        """`wait` is the longest time to wait for Triton, in seconds; None waits until it is ready.

        A pod that shares no fate with Triton must not wait for good: it can answer without it.
        """
        self._triton_ready = triton_ready
        self._wait = wait
        self._opened = False
        self._draining = False

    @property
    def draining(self) -> bool:
        """True once the shutdown has started."""
        return self._draining

    def drain(self) -> None:
        """Become unready for good, whatever the state of Triton."""
        self._draining = True

    async def ready(self) -> bool:
        """Return whether to send traffic."""
        return self._opened and not self._draining

    async def model_ready(self) -> bool:
        """Return whether the model answers; queries Triton, so that a crash shows at once."""
        return await self.ready() and await self._triton_ready()

    async def open(self, warm_up: Callable[[], Awaitable[None]]) -> None:
        """Wait for Triton, warm it up, and become ready; after the wait without it."""
        try:
            async with asyncio.timeout(self._wait):
                await self._until_triton_is_ready()
        except TimeoutError:
            self._opened = True
            logger.warning(
                "Triton is not ready after %s s: ready to answer from the fallbacks", self._wait
            )
            await self._until_triton_is_ready()
        await warm_up()
        self._opened = True
        logger.info("Triton has both models: ready")

    async def _until_triton_is_ready(self) -> None:
        while not await self._triton_ready():
            await asyncio.sleep(POLL_SECONDS)


class Closing:
    """Asks clients to reconnect, elsewhere, while the server drains."""

    def __init__(self, app: ASGIApp, readiness: Readiness) -> None:
        self._app = app
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        if not self._readiness.draining:
            await self._app(scope, receive, send)
            return

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, closing)
