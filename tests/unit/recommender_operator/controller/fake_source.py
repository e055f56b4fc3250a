"""In-memory API servers for lists and watches, which a test controls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from recommender_operator.adapters.kinds import REVISIONS
from recommender_operator.controller.json_text import text_of
from recommender_operator.controller.kube import PODS, KubeError, Object, Resource
from recommender_operator.controller.unparsed import Unparsed
from recommender_operator.controller.watching import Event, EventType, Page, Scope
from tests.fakes.kube import FakeKube

SCOPE = Scope(PODS, None, "recommender.dev/model")


def thing(
    name: str, version: int, *, uid: str = "", model: str = "movies", **metadata: Any
) -> Object:
    """Return an object as the API server would."""
    return {
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": uid or f"uid-{name}",
            "resourceVersion": str(version),
            "labels": {"recommender.dev/model": model},
            **metadata,
        }
    }


def unparsed(about: Object) -> Unparsed:
    """Return an object as the API server sends it."""
    return Unparsed(text_of(about))


class FakeSource:
    """Holds the current objects; a watch delivers only the events that the test releases."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.version = 1
        self.page_size = 100
        self.lists = 0
        #: The resourceVersion of each watch.
        self.watches: list[str] = []
        self.errors: list[KubeError] = []
        self._stream: asyncio.Queue[Event | KubeError | None] = asyncio.Queue()

    def put(self, name: str, **values: Any) -> Object:
        self.version += 1
        self.objects[name] = thing(name, self.version, **values)
        return self.objects[name]

    def drop(self, name: str) -> Object:
        self.version += 1
        gone = self.objects.pop(name)
        metadata = {**gone["metadata"], "resourceVersion": str(self.version)}
        return {**gone, "metadata": metadata}

    def say(self, kind: EventType, about: Object) -> None:
        self._stream.put_nowait(Event(kind, unparsed(about)))

    def bookmark(self) -> None:
        self.say("BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}})

    def end(self, error: KubeError | None = None) -> None:
        """End the stream, regularly or with an error."""
        self._stream.put_nowait(error)

    async def page(self, scope: Scope, more: str) -> Page:
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        start = int(more or 0)
        self.lists += start == 0
        items = [unparsed(each) for each in self.objects.values()]
        end = start + self.page_size
        return Page(items[start:end], str(self.version), str(end) if end < len(items) else "")

    async def watch(self, scope: Scope, version: str, seconds: int) -> AsyncGenerator[Event, None]:
        self.watches.append(version)
        while (event := await self._stream.get()) is not None:
            if isinstance(event, KubeError):
                raise event
            yield event


class FrozenSource:
    """Lists the objects of the fake API server; its watches deliver nothing until thawed."""

    def __init__(self, kube: FakeKube) -> None:
        self._kube = kube
        self.missing: set[Resource] = {REVISIONS}

    async def page(self, scope: Scope, more: str) -> Page:
        if scope.resource in self.missing:
            raise KubeError("no such kind", status=404)
        items = await self._kube.list(scope.resource, scope.namespace, {})
        newest = [int(item["metadata"]["resourceVersion"]) for item in items]
        return Page([unparsed(item) for item in items], str(max(newest, default=1)), "")

    async def watch(self, scope: Scope, version: str, seconds: int) -> Any:
        await asyncio.Event().wait()
        yield Event("BOOKMARK", unparsed({"metadata": {}}))


class Unseen:
    def watch_caches(self, caches: Any) -> None: ...

    def cache_listed(self, resource: str, why: str) -> None: ...
