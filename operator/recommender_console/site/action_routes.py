"""The confirmation of an action, and the action."""

from __future__ import annotations

import asyncio
import datetime
import logging
import secrets
from urllib.parse import quote

from aiohttp import web

from recommender_console import actions
from recommender_console.actions import BY_VERB, Action
from recommender_console.cluster import Cluster, ClusterError
from recommender_console.pages import forms, parts
from recommender_console.site import same_origin
from recommender_console.site.headers import html
from recommender_console.site.page_routes import path_names
from recommender_console.site.visitors import Caller, Visitors
from recommender_kubectl.objects import Model
from recommender_kubectl.requests import RefusedError, Request

logger = logging.getLogger(__name__)

#: A model's status is written during a rollout, so a first attempt may meet a newer one.
_ATTEMPTS = 5
#: Characters of the name of a version.
_LONGEST = 253


class Acting:
    """The handlers."""

    def __init__(self, cluster: Cluster, visitors: Visitors) -> None:
        self._cluster = cluster
        self._visitors = visitors

    async def confirm(self, request: web.Request, caller: Caller) -> web.Response:
        """Show what would happen."""
        action, to = _action(request), _to(request.query.get("to", ""))
        try:
            made, model = await self._make(request, caller, action, to)
        except _RefusedError as error:
            return html(forms.refused(error.model, action, error.why, caller.visitor), 409)
        return _confirmation(made, model, action, to, caller, changed=False)

    async def act(self, request: web.Request, caller: Caller) -> web.Response:
        """Do what was confirmed, unless the model is another one by now."""
        given = await request.post()
        ticket = str(given.get("ticket", ""))
        if not same_origin.is_own(request.headers) or not self._visitors.is_ticket(ticket, caller):
            raise web.HTTPForbidden(reason="This form is not of your session: go back and reload")
        action, to = _action(request), _to(str(given.get("to", "")))
        namespace, name = path_names(request)
        for _ in range(_ATTEMPTS):
            try:
                made, model = await self._make(request, caller, action, to)
            except _RefusedError as error:
                return html(forms.refused(error.model, action, error.why, caller.visitor), 409)
            if actions.confirmed(model, made) != given.get("seen"):
                return _confirmation(made, model, action, to, caller, changed=True)
            try:
                await self._cluster.patch(caller.token, namespace, name, made.patch)
            except ClusterError as error:
                if error.status != 409:
                    raise
                continue
            logger.info(
                "%s asked: %s", caller.visitor.name, made.summary,
                extra={"namespace": namespace, "model": name},
            )  # fmt: skip
            return _done(action, made, model)
        raise ClusterError(409, f"{name} changes faster than it is read; try again")

    async def _make(
        self, request: web.Request, caller: Caller, action: Action, to: str
    ) -> tuple[Request, Model]:
        namespace, name = path_names(request)
        seen, (versions, _) = await asyncio.gather(
            self._cluster.model(caller.token, namespace, name),
            self._cluster.versions(caller.token, namespace, name),
        )
        now = datetime.datetime.now(datetime.UTC)
        token = f"console-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        maker = actions.make(action.verb, to or None)
        try:
            return maker(seen.model, [one.version for one in versions], token), seen.model
        except RefusedError as error:
            raise _RefusedError(seen.model, str(error)) from error


class _RefusedError(Exception):
    def __init__(self, model: Model, why: str) -> None:
        super().__init__(why)
        self.model = model
        self.why = why


def _action(request: web.Request) -> Action:
    found = BY_VERB.get(request.match_info["verb"])
    if found is None:
        raise web.HTTPNotFound(reason="There is no such action")
    return found


def _to(text: str) -> str:
    if len(text) > _LONGEST:
        raise web.HTTPBadRequest(reason="This is not the name of a version")
    return text


def _confirmation(
    made: Request, model: Model, action: Action, to: str, caller: Caller, *, changed: bool
) -> web.Response:
    page = forms.confirm(
        model, action, made.summary, actions.confirmed(model, made), to, caller.visitor,
        changed=changed,
    )  # fmt: skip
    return html(page, 409 if changed else 200)


def _done(action: Action, made: Request, model: Model) -> web.Response:
    asked = "~".join(made.asked) if made.asked else f"{action.verb}~"
    path = parts.model_path(model.namespace, model.name)
    location = f"{path}?asked={quote(asked, safe='')}"
    return web.Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})
