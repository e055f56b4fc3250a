"""HTTP servers of one process, and their shutdown."""

from __future__ import annotations

import asyncio
import signal

import uvicorn
from starlette.types import ASGIApp

from recommender_serving.listening import KEEP_ALIVE_SECONDS, Server

BACKLOG = 1024
MAX_CONNECTIONS = 2000


def build(app: ASGIApp, grace: float) -> Server:
    """Build a server."""
    return Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, round(grace)),
        )
    )


def on_signal() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
