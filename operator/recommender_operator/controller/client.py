"""The `Kube` port with the official client.

Temporary errors (too many requests, a failing server, a lost connection) are retried a few times
with increasing pauses; callers handle all others. A write may have succeeded even if its response
was lost. A retry is safe: its precondition is then not met (ConflictError, and the caller reads
again), or the name exists.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Generic

import msgspec

from recommender_operator.controller.json_text import parsed, parsed_as
from recommender_operator.controller.kube import (
    PODS,
    ConflictError,
    Fields,
    KubeError,
    Object,
    Resource,
)
from recommender_operator.controller.transport import Query, Transport, refusal

RETRIED = frozenset({0, 429, 500, 502, 503, 504})
#: By default the API server parses the body of a write a second time, to warn about unknown and
#: repeated fields, and nobody reads that. It validates the object in any case.
NO_WARNINGS = ("fieldValidation", "Ignore")
#: Precondition to create an object by server-side apply: no object has this resourceVersion, so an
#: existing object is a conflict instead of being overwritten.
UNBORN = "1"
APPLY = "application/apply-patch+yaml"
#: Pause before each retry, in seconds.
PAUSES = (0.2, 0.5, 1.0, 2.0)
#: Maximum pause for Retry-After, in seconds.
MAX_PAUSE = 10.0
#: Maximum size of a log, in bytes.
LOG_BYTES = 16_384
PAGE = 500


class _Continued(msgspec.Struct, rename={"more": "continue"}):
    more: str = ""


class _Page(msgspec.Struct, Generic[Fields]):
    metadata: _Continued
    items: list[Fields] | None = None


class OfficialKube:
    """The API server, with the official client."""

    def __init__(
        self,
        transport: Transport,
        *,
        manager: str,
        observe: Callable[[str, str, int, float], None] | None = None,
        pauses: tuple[float, ...] = PAUSES,
        fence: Callable[[], None] = lambda: None,
    ) -> None:
        """`manager` is the field manager; writes of a status have one of their own.

        `observe` is called with verb, kind, HTTP status and seconds of each try.

        `fence` is called before each try of a write, and raises NotLeaderError if this process
        may not write.
        """
        self._transport = transport
        self._manager = manager
        self._observe = observe
        self._pauses = pauses
        self._fence = fence

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        return await self._maybe("GET", resource, resource.path(namespace, name))

    async def list(
        self, resource: Resource, namespace: str | None, labels: Mapping[str, str]
    ) -> list[Object]:
        query: Query = [("labelSelector", _selector(labels))] if labels else []
        items: list[Object] = []
        more: str | None = ""
        while more is not None:
            text = await self._page(resource, namespace, query, more)
            answer: Object = parsed(text) if text else {}
            items += answer.get("items") or []
            more = answer.get("metadata", {}).get("continue") or None
        return items

    async def list_fields(
        self, resource: Resource, namespace: str | None, fields: type[Fields]
    ) -> Sequence[Fields]:
        items: list[Fields] = []
        more: str | None = ""
        while more is not None:
            text = await self._page(resource, namespace, [], more)
            if text is None:
                return items
            try:
                page = parsed_as(text, _Page[fields])  # type: ignore[valid-type]
            except ValueError as error:
                raise KubeError(f"the list of {resource.name}: {error}") from error
            items += page.items or []
            more = page.metadata.more or None
        return items

    async def _page(
        self, resource: Resource, namespace: str | None, query: Query, more: str
    ) -> bytes | None:
        """Return the text of a page of a list; None if the kind, or its namespace, is missing."""
        query = [("limit", str(PAGE)), *query, *([("continue", more)] if more else [])]
        try:
            return await self._raw("GET", resource, resource.path(namespace), query)
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    async def create(self, resource: Resource, manifest: Object) -> Object | None:
        path = resource.path(manifest["metadata"]["namespace"])
        query = [("fieldManager", self._manager), NO_WARNINGS]
        try:
            return await self._send("POST", resource, path, query, manifest)
        except ConflictError as error:
            if error.reason == "AlreadyExists":
                return None
            raise

    async def apply(self, resource: Resource, manifest: Object, *, over: Object | None) -> Object:
        metadata = manifest["metadata"]
        path = resource.path(metadata["namespace"], metadata["name"])
        query = [("fieldManager", self._manager), NO_WARNINGS]
        seen = {"resourceVersion": UNBORN}
        if over is not None:
            seen = {key: over["metadata"][key] for key in ("uid", "resourceVersion")}
            # Overwrite fields of other managers only if the object is unchanged since it was read.
            query.append(("force", "true"))
        fenced = {**manifest, "metadata": {**metadata, **seen}}
        return await self._send("PATCH", resource, path, query, fenced, APPLY)

    async def apply_status(self, resource: Resource, manifest: Object) -> Object | None:
        metadata = manifest["metadata"]
        path = resource.path(metadata["namespace"], metadata["name"], "status")
        query = [("fieldManager", f"{self._manager}-status"), NO_WARNINGS, ("force", "true")]
        return await self._maybe("PATCH", resource, path, query, manifest, APPLY)

    async def patch(
        self, resource: Resource, namespace: str, name: str, patch: Object
    ) -> Object | None:
        query = [("fieldManager", self._manager), NO_WARNINGS]
        kind = "application/merge-patch+json"
        path = resource.path(namespace, name)
        return await self._maybe("PATCH", resource, path, query, patch, kind)

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> bool:
        path = resource.path(namespace, name)
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        try:
            return await self._maybe("DELETE", resource, path, body=options) is not None
        except ConflictError:
            return False

    async def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        path = PODS.path(namespace, pod, "log")
        query = [
            ("container", container),
            ("tailLines", str(lines)),
            ("limitBytes", str(LOG_BYTES)),
        ]
        try:
            text = await self._raw("GET", PODS, path, query)
        except KubeError:
            # Logs are optional: a pod that is deleted or has not started has none.
            return ""
        return text.decode("utf-8", "replace")

    async def serves(self, resource: Resource) -> bool:
        answer = await self._maybe("GET", resource, resource.base)
        kinds = (answer or {}).get("resources") or []
        return any(kind.get("name") == resource.plural for kind in kinds)

    async def _maybe(
        self,
        method: str,
        resource: Resource,
        path: str,
        query: Query | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Object | None:
        try:
            return await self._send(method, resource, path, query, body, content_type)
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    async def _send(
        self,
        method: str,
        resource: Resource,
        path: str,
        query: Query | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Object:
        text = await self._raw(method, resource, path, query, body, content_type)
        answer: Object = parsed(text) if text else {}
        return answer

    async def _raw(
        self,
        method: str,
        resource: Resource,
        path: str,
        query: Query | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        loop = asyncio.get_running_loop()
        for pause in (*self._pauses, None):
            started = loop.time()
            fence = self._fence if method != "GET" else _unfenced
            answer = await self._transport.request(
                method, path, query, body, content_type, fence=fence
            )
            if self._observe is not None:
                self._observe(method, resource.plural, answer.status, loop.time() - started)
            if 200 <= answer.status < 300:
                return answer.data
            if answer.status not in RETRIED or pause is None:
                raise refusal(method, path, answer.status, answer.data)
            await asyncio.sleep(_pause(pause, answer.headers))
        raise AssertionError("unreachable")


def _unfenced() -> None:
    """Do nothing: reads are always allowed."""


def _pause(planned: float, headers: Mapping[str, str]) -> float:
    """Return the pause in seconds: the server's Retry-After within limits, with jitter."""
    retry_after = next((v for k, v in headers.items() if k.lower() == "retry-after"), "")
    seconds = min(float(retry_after), MAX_PAUSE) if retry_after.isdigit() else planned
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311


def _selector(labels: Mapping[str, str]) -> str:
    """Return a label selector, in a stable order."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
