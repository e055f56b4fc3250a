"""Connections while the server drains."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recommender_serving.protocols.readiness import Readiness


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
