"""The pages that read."""

from __future__ import annotations

import asyncio
import datetime
import re

from aiohttp import web

from recommender_console import actions
from recommender_console.cluster import Cluster, ClusterError
from recommender_console.object_details import SeenModel, SeenVersion
from recommender_console.pages import listing, model, version
from recommender_console.pages.listing import Filter
from recommender_console.settings import is_namespace
from recommender_console.site.headers import html
from recommender_console.site.visitors import Caller
from recommender_kubectl import requests
from recommender_kubectl.requests import Request
from recommender_kubectl.views import diff

#: What a redirect after an action names: the action and its token.
_ASKED = re.compile(r"(?P<action>[a-z-]{1,20})~(?P<token>[A-Za-z0-9.#-]{0,320})")


class Reading:
    """The handlers."""

    def __init__(self, cluster: Cluster, namespaces: tuple[str, ...]) -> None:
        self._cluster = cluster
        self._namespaces = namespaces

    async def models(self, request: web.Request, caller: Caller) -> web.Response:
        """Show the models of a namespace, of those of the settings, or of all."""
        wanted = _filter(request)
        targets: tuple[str | None, ...] = (None,)
        if wanted.namespace:
            targets = (wanted.namespace,)
        elif self._namespaces:
            targets = self._namespaces
        lists = await asyncio.gather(*(self._list(caller.token, one) for one in targets))
        seen = [one for found, _ in lists for one in found]
        notices = [notice for _, notice in lists if notice]
        return html(listing.render(seen, wanted, caller.visitor, _now(), notices))

    async def model(self, request: web.Request, caller: Caller) -> web.Response:
        """Show a model."""
        namespace, name = path_names(request)
        seen, (versions, cut), may_patch = await self._seen(caller, namespace, name)
        plain = [one.version for one in versions]
        sight = model.Sight(
            seen=seen,
            versions=versions,
            offers=actions.offers(seen.model, plain) if may_patch else None,
            notice=_notice(request.query.get("asked", ""), seen),
            cut=cut,
        )
        return html(model.render(sight, caller.visitor, _now()))

    async def version(self, request: web.Request, caller: Caller) -> web.Response:
        """Show a version."""
        namespace, name = path_names(request)
        seen, (versions, _), may_patch = await self._seen(caller, namespace, name)
        one = named(versions, request.match_info["version"])
        back = may_patch and _may_roll_back(seen, versions, one)
        page = version.render(seen, one, caller.visitor, _now(), may_roll_back=back)
        return html(page)

    async def differences(self, request: web.Request, caller: Caller) -> web.Response:
        """Show what differs between two versions."""
        namespace, name = path_names(request)
        seen, (versions, _) = await asyncio.gather(
            self._cluster.model(caller.token, namespace, name),
            self._cluster.versions(caller.token, namespace, name),
        )
        first = named(versions, request.query.get("a", "")).version
        second = named(versions, request.query.get("b", "")).version
        found = diff.of_versions(first, second)
        pair = (first.name, second.name)
        return html(version.differences(seen.model, pair, found, caller.visitor))

    async def _seen(
        self, caller: Caller, namespace: str, name: str
    ) -> tuple[SeenModel, tuple[tuple[SeenVersion, ...], bool], bool]:
        """Return a model, its versions, and whether the visitor may patch it, read together."""
        return await asyncio.gather(
            self._cluster.model(caller.token, namespace, name),
            self._cluster.versions(caller.token, namespace, name),
            self._cluster.may_patch(caller.token, namespace, name),
        )

    async def _list(self, token: str, namespace: str | None) -> tuple[list[SeenModel], str]:
        """Return models, and what the visitor should know about the list."""
        where = f"the namespace {namespace}" if namespace else "all namespaces"
        try:
            found, more = await self._cluster.models(token, namespace)
        except ClusterError as error:
            if error.status != 403:
                raise
            hint = "" if namespace else " Name a namespace below."
            return [], f"You may not list the models of {where}.{hint}"
        return found, f"Only the first {len(found)} models of {where} are shown." if more else ""


def path_names(request: web.Request) -> tuple[str, str]:
    """Return namespace and name of the model of a path; the route has checked their form."""
    return request.match_info["namespace"], request.match_info["name"]


def _filter(request: web.Request) -> Filter:
    query = request.query
    namespace, page = query.get("namespace", "").strip(), query.get("page", "1")
    if namespace and not is_namespace(namespace):
        raise web.HTTPBadRequest(reason="This is not the name of a namespace")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1
    return Filter(
        namespace=namespace,
        name=query.get("name", "").strip()[:253],
        stage=query.get("stage", "")[:32],
        page=max(number, 1),
    )


def _notice(asked: str, seen: SeenModel) -> str:
    """Return the result of the visitor's last request."""
    found = _ASKED.fullmatch(asked)
    if found is None:
        return ""
    action, token = found["action"], found["token"]
    request = Request(patch={}, summary=action, asked=(action, token) if token else None)
    answer = requests.answer(request, seen.model.generation, seen.model)
    if answer is None:
        return f"{action}: requested. The operator has not answered yet."
    return f"{action}: {answer.message}"


def named(versions: tuple[SeenVersion, ...], name: str) -> SeenVersion:
    """Return a version of a list by its name."""
    for one in versions:
        if one.version.name == name:
            return one
    raise web.HTTPNotFound(reason="There is no such version")


def _may_roll_back(seen: SeenModel, versions: tuple[SeenVersion, ...], one: SeenVersion) -> bool:
    try:
        actions.make("rollback", one.version.name)(
            seen.model, [each.version for each in versions], ""
        )
    except requests.RefusedError:
        return False
    return True


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
