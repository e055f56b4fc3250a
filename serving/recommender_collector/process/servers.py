"""HTTP servers of one process, and their shutdown."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping

from starlette.types import ASGIApp

from recommender_runtime.connections import Connections, Refusal
from recommender_runtime.http_server import Server, build_server, listen

MAX_CONNECTIONS = 2000
#: Why a process that ends is not ready.
STOPS = "it stops"


def build(
    app: ASGIApp, grace: float, refused: Callable[[Refusal], None] = lambda _: None
) -> Server:
    """Build a server; `refused` gets the reason of each connection that it refuses or closes."""
    return build_server(app, Connections(MAX_CONNECTIONS, refused=refused), grace)


class Beside:
    """The servers of ports other than that of events, each with its application."""

    def __init__(self, apps: Mapping[int, ASGIApp], grace: float) -> None:
        """Serve them.

        Raises:
            OSError: a port is in use.
        """
        self._servers = [build(app, grace) for app in apps.values()]
        self._serving = [
            asyncio.create_task(server.serve([listen(port)]))
            for port, server in zip(apps, self._servers, strict=True)
        ]

    async def stop(self) -> None:
        """End them when their requests in flight have."""
        for server in self._servers:
            server.should_exit = True
        await asyncio.gather(*self._serving)


def on_signal() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
