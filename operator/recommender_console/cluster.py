"""The API server, each time with the token of the visitor: it alone decides who may do what."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp

from recommender_console import object_details
from recommender_console.object_details import SeenModel, SeenVersion
from recommender_contract.api_names import API_VERSION, GROUP, MODEL_LABEL
from recommender_kubectl import fields

#: Objects in one page of a list, pages of one list, and lists at a time: 1,000 models are 7 MB.
PAGE, PAGES, LISTS = 250, 20, 2
#: Versions of a model that are read.
VERSIONS = 200
#: Pods of a version that are looked at.
PODS = 20
#: Bytes of one answer of the API server.
MOST_BYTES = 32 * 2**20
#: Seconds for one request, and connections at a time.
TIMEOUT, CONNECTIONS = 10.0, 32
_GROUP = f"/apis/{GROUP}/{API_VERSION}"


class ClusterError(Exception):
    """The API server refused, or gave no answer: `status` is its own, or 502 and 504."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Cluster:
    """Reads and patches models as whoever a token belongs to."""

    def __init__(self, address: str, trust: ssl.SSLContext) -> None:
        self._address = address
        self._lists = asyncio.Semaphore(LISTS)
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=trust),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            # Nothing of one visitor may reach another.
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            # Compression would take the API server longer than the local network.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    async def user(self, token: str) -> str:
        """Return the name of the token's user."""
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = await self._ask("POST", path, token, body=body)
        info = answer.get("status", {}).get("userInfo", {})
        return str(info.get("username", ""))

    async def may_patch(self, token: str, namespace: str, name: str) -> bool:
        """Return whether the visitor may change a model."""
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        attributes = {
            "namespace": namespace, "name": name, "verb": "patch", "group": GROUP,
            "resource": fields.MODELS,
        }  # fmt: skip
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = await self._ask("POST", path, token, body=body)
        return answer.get("status", {}).get("allowed") is True

    async def models(self, token: str, namespace: str | None) -> tuple[list[SeenModel], bool]:
        """Return the models of a namespace, or of all, by name, and whether there are more."""
        where = f"/namespaces/{namespace}" if namespace else ""
        path = f"{_GROUP}{where}/{fields.MODELS}"
        async with self._lists:
            return await self._pages(path, token)

    async def model(self, token: str, namespace: str, name: str) -> SeenModel:
        """Return a model."""
        path = f"{_GROUP}/namespaces/{namespace}/{fields.MODELS}/{name}"
        return object_details.read_model(await self._ask("GET", path, token))

    async def versions(
        self, token: str, namespace: str, model: str
    ) -> tuple[tuple[SeenVersion, ...], bool]:
        """Return versions of a model, and whether there are more."""
        path = f"{_GROUP}/namespaces/{namespace}/{fields.VERSIONS}"
        query = {"labelSelector": f"{MODEL_LABEL}={model}", "limit": str(VERSIONS)}
        page = await self._ask("GET", path, token, query=query)
        found = tuple(object_details.read_version(body) for body in page.get("items", ()))
        return found, bool(page.get("metadata", {}).get("continue"))

    async def addresses(self, token: str, namespace: str, version: str) -> tuple[str, ...]:
        """Return the addresses of the pods that serve a version."""
        query = {"labelSelector": object_details.pods_of(version), "limit": str(PODS)}
        page = await self._ask("GET", f"/api/v1/namespaces/{namespace}/pods", token, query=query)
        found = (object_details.read_address(body) for body in page.get("items", ()))
        return tuple(address for address in found if address)

    async def patch(
        self, token: str, namespace: str, name: str, change: Mapping[str, Any]
    ) -> None:
        """Apply a merge patch to a model."""
        path = f"{_GROUP}/namespaces/{namespace}/{fields.MODELS}/{name}"
        query = {"fieldManager": "recommender-console"}
        await self._ask("PATCH", path, token, query=query, body=change)

    async def _pages(self, path: str, token: str) -> tuple[list[SeenModel], bool]:
        found: list[SeenModel] = []
        query = {"limit": str(PAGE)}
        for _ in range(PAGES):
            page = await self._ask("GET", path, token, query=query)
            found += [object_details.read_model(body) for body in page.get("items", ())]
            after = page.get("metadata", {}).get("continue")
            if not after:
                return found, False
            query["continue"] = after
        return found, True

    async def _ask(
        self,
        verb: str,
        path: str,
        token: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        kind = "application/merge-patch+json" if verb == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": kind} if body else {})
        data = None if body is None else json.dumps(body).encode()
        try:
            async with self._http.request(
                verb,
                self._address + path,
                params=query,
                data=data,
                headers=headers,
                allow_redirects=False,
            ) as answer:
                status, content = answer.status, await _bounded(answer.content)
        except TimeoutError as error:
            raise ClusterError(504, f"the API server gave no answer in {TIMEOUT:g} s") from error
        except aiohttp.ClientError as error:
            raise ClusterError(502, f"the API server cannot be reached: {error}") from error
        return _read(status, content)


def trust(ca_file: str | None) -> ssl.SSLContext:
    """Return whom the console takes for the API server."""
    return ssl.create_default_context(cafile=ca_file)


async def _bounded(stream: aiohttp.StreamReader) -> bytes:
    parts, size = [], 0
    async for part in stream.iter_chunked(2**16):
        size += len(part)
        if size > MOST_BYTES:
            raise ClusterError(502, f"an answer of the API server is above {MOST_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _read(status: int, content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        said = content[:200].decode(errors="replace")
        raise ClusterError(status if status >= 400 else 502, f"the API server answers: {said}")
    if status >= 400:
        raise ClusterError(status, str(body.get("message", f"status {status}")))
    if status >= 300:
        raise ClusterError(502, f"the API server answers with status {status}")
    return body
