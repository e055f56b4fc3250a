"""Headers of every answer, and pages for errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from recommender_console.pages import forms

logger = logging.getLogger(__name__)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Without the own origin, browsers would send forms with `Origin: null`.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
#: Seconds for a page, the requests to the API server included.
LONGEST = 30.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def html(page: str, status: int = 200) -> web.Response:
    """Return a page, which no cache may keep."""
    return web.Response(
        text=page, status=status, content_type="text/html", headers={"Cache-Control": "no-store"}
    )


@web.middleware
async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer in time, with all headers; an error is a page without details of the process."""
    try:
        async with asyncio.timeout(LONGEST):
            answer = await handler(request)
    except web.HTTPException as error:
        answer = _problem(error.status, error.reason)
    except TimeoutError:
        answer = _problem(504, "It took too long")
    except Exception:
        # The route alone: paths and queries are the visitor's.
        route = request.match_info.route.resource
        logger.exception("no page for %s", route.canonical if route else "an unknown path")
        answer = _problem(500, "Internal error")
    answer.headers.update(HEADERS)
    return answer


def _problem(status: int, reason: str) -> web.Response:
    return html(forms.problem(reason, f"Status {status}.", None), status)
