"""Lists and watches of one kind, the input of an informer."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, Callable
from typing import Literal, Protocol, cast

from recommender_operator.adapters.kubernetes.json_text import parsed
from recommender_operator.adapters.kubernetes.port import KubeError, Object, Resource
from recommender_operator.adapters.kubernetes.transport import Query, Transport, of_status, refusal

#: Maximum number of objects per page: parsing a page blocks the event loop for some milliseconds.
PAGE = 200

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


@dataclasses.dataclass(frozen=True)
class Scope:
    """The scope of a cache: a kind, a namespace or all, and a label selector."""

    resource: Resource
    namespace: str | None
    selector: str


@dataclasses.dataclass(frozen=True)
class Page:
    """A page of a list. `more` is the continue token, empty on the last page."""

    items: list[Object]
    version: str
    more: str


@dataclasses.dataclass(frozen=True)
class Event:
    """An event of a watch; the object of a bookmark has only a resourceVersion."""

    type: EventType
    object: Object


class Source(Protocol):
    """Both raise KubeError; its status is 410 if the resourceVersion or token is too old."""

    async def page(self, scope: Scope, more: str) -> Page:
        """Return the first page of a consistent list, or the page of a token.

        Raises:
            KubeError: status 404 if the API server does not serve the kind.
        """
        ...

    def watch(self, scope: Scope, version: str, seconds: int) -> AsyncGenerator[Event, None]:
        """Yield the events after a resourceVersion; the server ends the watch after `seconds`."""
        ...


class ApiSource:
    """Reads from the API server; the informer retries."""

    def __init__(
        self,
        transport: Transport,
        *,
        observe: Callable[[str, str, int, float], None] = lambda *_: None,
    ) -> None:
        """`observe` is called with verb, kind, HTTP status and seconds of each list and watch."""
        self._transport = transport
        self._observe = observe

    async def page(self, scope: Scope, more: str) -> Page:
        query = [*_selected(scope), ("limit", str(PAGE))]
        if more:
            query.append(("continue", more))
        path = scope.resource.path(scope.namespace)
        started = asyncio.get_running_loop().time()
        answer = await self._transport.request("GET", path, query)
        spent = asyncio.get_running_loop().time() - started
        self._observe("LIST", scope.resource.plural, answer.status, spent)
        if answer.status != 200:
            raise refusal("GET", path, answer.status, answer.data)
        content = parsed(answer.data)
        metadata = content.get("metadata") or {}
        return Page(
            items=content.get("items") or [],
            version=str(metadata.get("resourceVersion") or ""),
            more=str(metadata.get("continue") or ""),
        )

    async def watch(self, scope: Scope, version: str, seconds: int) -> AsyncGenerator[Event, None]:
        path = scope.resource.path(scope.namespace)
        query = [
            *_selected(scope),
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", str(seconds)),
        ]
        started, status = asyncio.get_running_loop().time(), 0
        try:
            async with self._transport.stream(path, query) as lines:
                status = 200
                async for line in lines:
                    yield _event(path, line)
        except KubeError as error:
            status = error.status
            raise
        finally:
            spent = asyncio.get_running_loop().time() - started
            self._observe("WATCH", scope.resource.plural, status, spent)


def _selected(scope: Scope) -> Query:
    return [("labelSelector", scope.selector)] if scope.selector else []


def _event(path: str, line: bytes) -> Event:
    """Return an event.

    Raises:
        KubeError: the line is an error of the server, or not an event.
    """
    content: Object = {}
    with contextlib.suppress(ValueError):
        found = parsed(line)
        content = found if isinstance(found, dict) else {}
    kind, thing = content.get("type"), content.get("object")
    if kind == "ERROR" and isinstance(thing, dict):
        raise of_status(f"watch {path}", thing)
    if kind not in {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"} or not isinstance(thing, dict):
        raise KubeError(f"watch {path}: not an event: {line[:200]!r}")
    return Event(cast("EventType", kind), thing)
