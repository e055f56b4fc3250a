"""A pod for the adapters: a real HTTP server on a free port of the loopback interface."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import prometheus_client
from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
OK = 'recommender_requests_total{outcome="ok"}'


def page(ok: int = 3) -> str:
    """A page as the transformer's client library writes it."""
    registry = prometheus_client.CollectorRegistry()
    names = ["model", "version"]
    requests = prometheus_client.Counter(
        "recommender_requests", "Requests.", [*names, "outcome"], registry=registry
    )
    requests.labels("films", "films-1", "ok").inc(ok)
    duration = prometheus_client.Histogram(
        "recommender_request_duration_seconds", "s", names, buckets=(0.05, 1), registry=registry
    )
    for _ in range(ok):
        duration.labels("films", "films-1").observe(0.02)
    prometheus_client.Counter("python_other", "Not ours.", registry=registry).inc()
    return prometheus_client.generate_latest(registry).decode()


@contextlib.asynccontextmanager
async def serving(handler: Handler, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
    """Serve every path with one handler, and yield the port."""
    server = web.Server(handler)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def answering(body: bytes | str, status: int = 200) -> Handler:
    data = body.encode() if isinstance(body, str) else body

    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(body=data, status=status)

    return handler


async def hanging(request: web.BaseRequest) -> web.StreamResponse:
    """Never answer, like a pod whose process hangs; ends with the connection."""
    await asyncio.Event().wait()
    raise AssertionError


async def endless(request: web.BaseRequest) -> web.StreamResponse:
    """Answer without end."""
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b"recommender_x 1\n" * 8192)
    return response
