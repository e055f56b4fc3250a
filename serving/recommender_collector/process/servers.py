"""HTTP servers of one process, and their shutdown."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from starlette.types import ASGIApp

from recommender_serving.domain.types import Refusal
from recommender_serving.listening.connections import Connections
from recommender_serving.listening.server import Server, build_server

MAX_CONNECTIONS = 2000
#: Why a process that ends is not ready.
STOPS = "it stops"


def build(
    app: ASGIApp, grace: float, refused: Callable[[Refusal], None] = lambda _: None
) -> Server:
    """Build a server; `refused` gets the reason of each connection that it refuses or closes."""
    return build_server(app, Connections(MAX_CONNECTIONS, refused=refused), grace)


def on_signal() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
