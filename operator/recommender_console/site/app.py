"""The routes, and what is the same for all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from importlib import resources
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.typedefs import Middleware

from recommender_console.cluster import Cluster, ClusterError
from recommender_console.pages import forms
from recommender_console.report_pods import PORT, Reports
from recommender_console.sessions import Sessions, Tickets
from recommender_console.site import same_origin
from recommender_console.site.action_routes import Acting
from recommender_console.site.connection_limits import Guard
from recommender_console.site.headers import Handler, guarded, html
from recommender_console.site.page_routes import Reading
from recommender_console.site.report_routes import Reporting
from recommender_console.site.sign_in_routes import Entering
from recommender_console.site.visitors import COOKIE, Caller, NoTokenError, Visitors

#: Bytes of a form: a token, and some names.
MOST_BYTES = 32 * 1024
_STATIC = {
    "console.css": "text/css",
    "refresh.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_NAMESPACE = r"{namespace:[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?}"
_NAME = r"{%s:[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?}"
_MODEL = f"/models/{_NAMESPACE}/{_NAME % 'name'}"
_VERSION = f"{_MODEL}/versions/{_NAME % 'version'}"
_TITLES = {
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    409: "Changed meanwhile",
    502: "The cluster does not answer",
    504: "The cluster does not answer",
}
Page = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]


def make(
    cluster: Cluster, namespaces: tuple[str, ...], guard: Guard, report_port: int = PORT
) -> web.Application:
    """Return the whole site, to be called in the loop that serves it."""
    visitors = Visitors(cluster, Sessions(), Tickets())
    reading, acting = Reading(cluster, namespaces), Acting(cluster, visitors)
    entering, reports = Entering(visitors), Reports(cluster, report_port)
    reporting = Reporting(cluster, reports)
    app = web.Application(middlewares=[_timed(guard), guarded], client_max_size=MOST_BYTES)

    async def close(_app: web.Application) -> None:
        await reports.close()

    app.on_cleanup.append(close)

    def page(handler: Page) -> Handler:
        return _for_visitors(visitors, handler)

    app.add_routes([
        web.get("/healthz", _alive),
        web.get("/login", entering.form),
        web.post("/login", entering.sign_in),
        web.post("/logout", entering.sign_out),
        web.get("/", page(reading.models)),
        web.get(_MODEL, page(reading.model)),
        web.get(f"{_MODEL}/diff", page(reading.differences)),
        web.get(_VERSION, page(reading.version)),
        web.get(f"{_VERSION}/report", page(reporting.page)),
        web.get(f"{_VERSION}/report.html", page(reporting.content)),
        web.get(_MODEL + "/actions/{verb}", page(acting.confirm)),
        web.post(_MODEL + "/actions/{verb}", page(acting.act)),
        *(web.get(f"/static/{name}", _static(name)) for name in _STATIC),
    ])  # fmt: skip
    return app


def _timed(guard: Guard) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        guard.answers(transport)
        try:
            return await handler(request)
        finally:
            guard.answered(transport)

    return middleware


def _for_visitors(visitors: Visitors, handler: Page) -> Handler:
    """Return a handler that knows its visitor, and shows what the API server refuses."""

    async def answer(request: web.Request) -> web.StreamResponse:
        caller = None
        try:
            caller = await visitors.find(request)
            return await handler(request, caller)
        except NoTokenError:
            return _to_login(request)
        except ClusterError as error:
            if error.status == 401 and caller is not None and caller.visitor.signs_out:
                visitors.sign_out(request)
                return _to_login(request)
            status = error.status if error.status in _TITLES else 502
            visitor = caller.visitor if caller else None
            said = error.message[:1000]
            return html(forms.problem(_TITLES[status], said, visitor), status)

    return answer


def _to_login(request: web.Request) -> web.Response:
    if request.method == "GET" and same_origin.is_foreign_link(request.headers):
        return html(forms.bounce(same_origin.local_path(request.path_qs)))
    back = same_origin.local_path(request.path_qs) if request.method == "GET" else "/"
    query = f"?{urlencode({'next': back})}" if back != "/" else ""
    headers = {"Location": f"/login{query}", "Cache-Control": "no-store"}
    answer = web.Response(status=303, headers=headers)
    if COOKIE in request.cookies:
        answer.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
    return answer


def _static(name: str) -> Handler:
    content = resources.files("recommender_console").joinpath("static", name).read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}

    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        return web.Response(
            body=content, content_type=_STATIC[name], charset="utf-8", headers=headers
        )

    return answer


async def _alive(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")
