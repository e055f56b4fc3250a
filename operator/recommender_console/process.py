"""The process: listens until a signal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator

from aiohttp import web

from recommender_console import cluster, report_pods
from recommender_console.settings import Settings
from recommender_console.site import app
from recommender_console.site.connection_limits import PATIENCE, Guard

logger = logging.getLogger(__name__)

#: Seconds that open requests have at the end.
_GRACE = 10.0
#: Bytes of a header: a bearer token of a proxy, and its own headers.
_HEADER = 16 * 1024


async def serve_console(settings: Settings) -> None:
    """Serve the page until a signal."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with served(settings) as port:
        logger.info("the console listens on port %d", port)
        await stop.wait()
        logger.info("the console stops")


@contextlib.asynccontextmanager
async def served(
    settings: Settings, host: str | None = None, report_port: int = report_pods.PORT
) -> AsyncIterator[int]:
    """Listen on all addresses, or one; yields the port."""
    upstream = cluster.Cluster(settings.api_server, cluster.trust(settings.ca_file))
    guard = Guard()
    runner = web.AppRunner(
        app.make(upstream, settings.namespaces, guard, report_port),
        access_log=None,
        handle_signals=False,
        keepalive_timeout=PATIENCE,
        shutdown_timeout=_GRACE,
        max_field_size=_HEADER,
        max_line_size=_HEADER,
    )
    await runner.setup()
    assert runner.server is not None
    loop = asyncio.get_running_loop()
    try:
        factory = guard.wrap(runner.server)
        server = await loop.create_server(factory, host, settings.port, backlog=128)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
    finally:
        await runner.cleanup()
        await upstream.close()
