"""Headers of every answer, and pages for errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from recommender_console.pages import forms

logger = logging.getLogger(__name__)

_POLICY = "Content-Security-Policy"
HEADERS = {
    _POLICY: (
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
#: Of a page with a frame: it may show nothing but a page of the console.
FRAMING = {_POLICY: f"{HEADERS[_POLICY]}; frame-src 'self'"}
#: Of a report, which a training wrote. `sandbox` gives it an origin of its own, and neither
#: scripts, forms, windows nor downloads; it loads nothing, and its styles are in it. Opened alone
#: it can still have links to other sites, which no policy can forbid.
REPORT = {
    _POLICY: (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; "
        "base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
    # Browsers open no sandboxed page under any other policy.
    "Cross-Origin-Opener-Policy": "unsafe-none",
}
#: Seconds for a page, the requests to the API server included.
LONGEST = 30.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def html(
    page: str | bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a page, which no cache may keep."""
    return web.Response(
        body=page.encode() if isinstance(page, str) else page, status=status,
        content_type="text/html", charset="utf-8",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )  # fmt: skip


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
    for name, value in HEADERS.items():
        # The page of a report, and the report, have a policy of their own.
        answer.headers.setdefault(name, value)
    return answer


def _problem(status: int, reason: str) -> web.Response:
    return html(forms.problem(reason, f"Status {status}.", None), status)
