"""Signing in and out."""

from __future__ import annotations

import logging

from aiohttp import web

from recommender_console.cluster import ClusterError
from recommender_console.pages import forms
from recommender_console.site import same_origin
from recommender_console.site.headers import html
from recommender_console.site.visitors import COOKIE, Visitors

logger = logging.getLogger(__name__)


class Entering:
    """The handlers."""

    def __init__(self, visitors: Visitors) -> None:
        self._visitors = visitors

    async def form(self, request: web.Request) -> web.Response:
        """Show the form."""
        return html(forms.login(same_origin.local_path(request.query.get("next", "/")), ""))

    async def sign_in(self, request: web.Request) -> web.Response:
        """Check a token with the API server, and begin a session."""
        given = await request.post()
        if not same_origin.is_own(request.headers):
            raise web.HTTPForbidden(reason="This form is not of the console")
        next_ = same_origin.local_path(str(given.get("next", "/")))
        try:
            session = await self._visitors.sign_in(str(given.get("token", "")).strip())
        except ClusterError as error:
            said = f"The API server does not accept this token: {error.message}"
            if error.status != 401:
                said = f"No answer whether this token is valid: {error.message}"
            return html(forms.login(next_, said), 401 if error.status == 401 else 502)
        # The one that the browser had.
        self._visitors.sign_out(request)
        logger.info("signed in: %s", session.user)
        answer = _see_other(next_)
        answer.set_cookie(
            COOKIE, session.id, path="/", secure=True, httponly=True, samesite="Strict"
        )
        return answer

    async def sign_out(self, request: web.Request) -> web.Response:
        """End the session."""
        await request.post()
        if not same_origin.is_own(request.headers):
            raise web.HTTPForbidden(reason="This form is not of the console")
        self._visitors.sign_out(request)
        answer = _see_other("/login")
        answer.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
        return answer


def _see_other(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path, "Cache-Control": "no-store"})
