"""The HTTP server for the kubelet's probes, of standby and leader."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from recommender_operator.controller.health import StaleError

#: Returns the figures of a probe; raises StaleError if it fails.
Check = Callable[[], dict[str, float]]


@contextlib.asynccontextmanager
async def served(port: int, *, alive: Check, ready: Check) -> AsyncIterator[None]:
    """Serve /healthz and /readyz on a port of all addresses."""
    site = web.Application()
    site.router.add_get("/healthz", _answer(alive))
    site.router.add_get("/readyz", _answer(ready))
    runner = web.AppRunner(site, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        # Without a host: IPv4 and IPv6.
        await web.TCPSite(runner, None, port).start()
        yield
    finally:
        await runner.cleanup()


def _answer(check: Check) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_request: web.Request) -> web.StreamResponse:
        try:
            response = web.json_response(check())
        except StaleError as error:
            response = web.json_response({"error": str(error)}, status=503)
        # Kopf would wait for open connections at the end.
        response.force_close()
        return response

    return answer
