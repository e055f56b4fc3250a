"""Lists and watches of one kind, the input of an informer."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Callable
from typing import Literal, Protocol, cast, get_args

import msgspec

from recommender_operator.controller.json_text import parsed
from recommender_operator.controller.kube import KubeError, Resource
from recommender_operator.controller.transport import Query, Transport, of_status, refusal
from recommender_operator.controller.unparsed import Unparsed

#: Maximum number of objects per page: the first list parses and packs them all, which blocks the
#: event loop for some milliseconds per page.
PAGE = 200

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
EVENT_TYPES = frozenset(get_args(EventType))


@dataclasses.dataclass(frozen=True)
class Scope:
    """The scope of a cache: a kind, a namespace or all, and a label selector."""

    resource: Resource
    namespace: str | None
    selector: str


@dataclasses.dataclass(frozen=True)
class Page:
    """A page of a list. `more` is the continue token, empty on the last page."""

    items: list[Unparsed]
    version: str
    more: str


@dataclasses.dataclass(frozen=True)
class Event:
    """An event of a watch; the object of a bookmark has only a resourceVersion."""

    type: EventType
    object: Unparsed


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
        return _page(path, answer.data)

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


class _ListMetadata(msgspec.Struct):
    resourceVersion: str = ""  # noqa: N815 (the name in the API)
    more: str = msgspec.field(name="continue", default="")


class _List(msgspec.Struct):
    metadata: _ListMetadata
    items: list[msgspec.Raw] | None = None


class _Line(msgspec.Struct):
    type: str
    object: msgspec.Raw


_LISTS, _LINES = msgspec.json.Decoder(_List), msgspec.json.Decoder(_Line)


def _page(path: str, text: bytes) -> Page:
    """Return a page of a list.

    Raises:
        KubeError: the text is not a list.
    """
    try:
        found = _LISTS.decode(text)
        items = [Unparsed(item) for item in found.items or ()]
    except (ValueError, RecursionError) as error:
        raise KubeError(f"GET {path}: not a list: {error}: {text[:200]!r}") from error
    return Page(items, found.metadata.resourceVersion, found.metadata.more)


def _event(path: str, line: bytes) -> Event:
    """Return an event.

    Raises:
        KubeError: the line is an error of the server, or not an event.
    """
    try:
        found = _LINES.decode(line)
        if found.type in EVENT_TYPES:
            return Event(cast("EventType", found.type), Unparsed(found.object))
        status = parsed(found.object)
    except (ValueError, RecursionError):
        status = None
    if isinstance(status, dict):
        raise of_status(f"watch {path}", status)
    raise KubeError(f"watch {path}: not an event: {line[:200]!r}")
