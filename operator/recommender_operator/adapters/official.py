"""The `Kube` port over the official client.

What may pass (too many requests, a failing server, a lost connection) is repeated a few times with
growing pauses; everything else is the caller's to handle. A write whose answer was lost may have
happened: repeating it is safe, since its precondition then no longer holds (the caller gets a
ConflictError and looks again), or since its name is taken.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping

from recommender_operator.adapters.kube import PODS, ConflictError, KubeError, Object, Resource
from recommender_operator.adapters.transport import Query, Transport, refusal
from recommender_operator.resources.labels import MANAGER, selector

STATUS_MANAGER = f"{MANAGER}-status"
RETRIED = frozenset({0, 429, 500, 502, 503, 504})
#: Precondition of a creation by server-side apply: no object ever has this version, so an object
#: of that name, which even the same field manager could overwrite, is a conflict.
UNBORN = "1"
APPLY = "application/apply-patch+yaml"
#: Pauses before each repetition, in seconds.
PAUSES = (0.2, 0.5, 1.0, 2.0)
#: Longest pause that a server may ask for with Retry-After, in seconds.
MAX_PAUSE = 10.0
#: No log is read beyond this, in bytes.
LOG_BYTES = 16_384
PAGE = 500


class OfficialKube:
    """The API server by way of the official client."""

    def __init__(
        self,
        transport: Transport,
        *,
        observe: Callable[[str, str, int, float], None] | None = None,
        pauses: tuple[float, ...] = PAUSES,
        fence: Callable[[], None] = lambda: None,
    ) -> None:
        """`observe` gets verb, kind, HTTP status and seconds of each try.

        `fence` is called before each try of a write, and raises NotLeaderError if this process
        may not write any more.
        """
        self._transport = transport
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
        items: list[Object] = []
        query: Query = [("limit", str(PAGE))]
        if labels:
            query.append(("labelSelector", selector(dict(labels))))
        more = ""
        while True:
            page = [*query, ("continue", more)] if more else query
            answer = await self._maybe("GET", resource, resource.path(namespace), page)
            if answer is None:
                return items
            items += answer.get("items") or []
            more = answer.get("metadata", {}).get("continue") or ""
            if not more:
                return items

    async def create(self, resource: Resource, manifest: Object) -> Object | None:
        path = resource.path(manifest["metadata"]["namespace"])
        try:
            return await self._send("POST", resource, path, [("fieldManager", MANAGER)], manifest)
        except ConflictError as error:
            if error.reason == "AlreadyExists":
                return None
            raise

    async def apply(self, resource: Resource, manifest: Object, *, over: Object | None) -> Object:
        metadata = manifest["metadata"]
        path = resource.path(metadata["namespace"], metadata["name"])
        query = [("fieldManager", MANAGER)]
        seen = {"resourceVersion": UNBORN}
        if over is not None:
            seen = {key: over["metadata"][key] for key in ("uid", "resourceVersion")}
            # Fields of others are overwritten where the object is as it was read, and only there.
            query.append(("force", "true"))
        fenced = {**manifest, "metadata": {**metadata, **seen}}
        return await self._send("PATCH", resource, path, query, fenced, APPLY)

    async def apply_status(self, resource: Resource, manifest: Object) -> Object | None:
        metadata = manifest["metadata"]
        path = resource.path(metadata["namespace"], metadata["name"], "status")
        query = [("fieldManager", STATUS_MANAGER), ("force", "true")]
        return await self._maybe("PATCH", resource, path, query, manifest, APPLY)

    async def patch(
        self, resource: Resource, namespace: str, name: str, patch: Object
    ) -> Object | None:
        query = [("fieldManager", MANAGER)]
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
            # A log is a help for people; a pod that is gone, or was never started, has none.
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
        answer: Object = json.loads(text) if text else {}
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
    """A read may be sent at any time."""


def _pause(planned: float, headers: Mapping[str, str]) -> float:
    """Return the pause: what the server asks for, within bounds, with jitter, in seconds."""
    asked = next((v for k, v in headers.items() if k.lower() == "retry-after"), "")
    seconds = min(float(asked), MAX_PAUSE) if asked.isdigit() else planned
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311
