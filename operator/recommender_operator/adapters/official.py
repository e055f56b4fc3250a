"""The `Kube` port over the official client.

The client is synchronous: each request runs in a thread of an own, bounded pool, with a time
limit. What may pass (too many requests, a failing server, a lost connection) is repeated a few
times with growing pauses; everything else is the caller's to handle. A write whose answer was
lost may have happened: repeating it is safe, since its precondition then no longer holds (the
caller gets a ConflictError and looks again), or since its name is taken.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import os
import random
from collections.abc import Callable, Mapping
from typing import Any

import kubernetes.client
import kubernetes.config
import urllib3.exceptions

from recommender_operator.adapters.kube import PODS, ConflictError, KubeError, Object, Resource
from recommender_operator.resources.labels import MANAGER, selector

STATUS_MANAGER = f"{MANAGER}-status"
RETRIED = frozenset({0, 429, 500, 502, 503, 504})
CONFLICT = 409
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

Query = list[tuple[str, str]]


def load_client() -> kubernetes.client.ApiClient:
    """Return a client for the cluster around the pod, else for the current kubeconfig context.

    Raises:
        KubeError: neither is there.
    """
    configuration = kubernetes.client.Configuration()
    # Repeating is done here, with pauses and metrics, and not a second time below.
    configuration.retries = False
    try:
        if os.environ.get("KUBERNETES_SERVICE_HOST") and not os.environ.get("KUBECONFIG"):
            kubernetes.config.load_incluster_config(client_configuration=configuration)
        else:
            kubernetes.config.load_kube_config(client_configuration=configuration)
    except kubernetes.config.ConfigException as error:
        raise KubeError(
            f"no access to a cluster: {error}; run inside a pod with a service account, "
            "or set KUBECONFIG"
        ) from error
    return kubernetes.client.ApiClient(configuration)


class OfficialKube:
    """The API server by way of the official client."""

    def __init__(
        self,
        client: kubernetes.client.ApiClient,
        *,
        threads: int,
        timeout: float,
        observe: Callable[[str, str, int, float], None] | None = None,
        pauses: tuple[float, ...] = PAUSES,
        fence: Callable[[], None] = lambda: None,
    ) -> None:
        """`timeout` of one try is in seconds; `observe` gets verb, kind, HTTP status, seconds.

        `fence` is called before each try of a write, and raises NotLeaderError if this process
        may not write any more.
        """
        self._client = client
        self._timeout = timeout
        self._observe = observe
        self._pauses = pauses
        self._fence = fence
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix="kube")

    def close(self) -> None:
        """Free the threads and the connections."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()

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
            if method != "GET":
                self._fence()
            started = loop.time()
            status, headers, data = await loop.run_in_executor(
                self._pool, self._request, method, path, query, body, content_type
            )
            if self._observe is not None:
                self._observe(method, resource.plural, status, loop.time() - started)
            if 200 <= status < 300:
                return data
            if status not in RETRIED or pause is None:
                raise _error(method, path, status, data)
            await asyncio.sleep(_pause(pause, headers))
        raise AssertionError("unreachable")

    def _request(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: Object | None,
        content_type: str,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send one request (in a thread); a lost connection is the status 0."""
        headers = {"Accept": "application/json, */*", "Content-Type": content_type}
        prepared: Any = self._client.param_serialize(
            method,
            path,
            query_params=query or [],
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        verb, url, headers, sent, form = prepared
        try:
            response = self._client.call_api(
                verb, url, headers, sent, form, _request_timeout=self._timeout
            )
            return int(response.status), dict(response.headers), response.read() or b""
        except kubernetes.client.ApiException as error:
            return int(error.status or 0), {}, str(error.body or error.reason).encode()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return 0, {}, f"{type(error).__name__}: {error}".encode()


def _pause(planned: float, headers: Mapping[str, str]) -> float:
    """Return the pause: what the server asks for, within bounds, with jitter, in seconds."""
    asked = next((v for k, v in headers.items() if k.lower() == "retry-after"), "")
    seconds = min(float(asked), MAX_PAUSE) if asked.isdigit() else planned
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311


def _error(method: str, path: str, status: int, data: bytes) -> KubeError:
    text = data.decode("utf-8", "replace")
    answer: Object = {}
    with contextlib.suppress(ValueError):
        parsed = json.loads(text)
        answer = parsed if isinstance(parsed, dict) else {}
    told = str(answer.get("message", text))[:1000]
    causes = (answer.get("details") or {}).get("causes") or []
    kind = ConflictError if status == CONFLICT else KubeError
    return kind(
        f"{method} {path}: {status} {told}",
        status=status,
        reason=str(answer.get("reason", "")),
        causes=[str(cause.get("reason", "")) for cause in causes],
    )
