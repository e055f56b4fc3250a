"""Requests and streams with the asyncio version of the official client (ADR 0024).

It uses the client's configuration, authentication and connections, but not its generated classes:
API objects remain JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from kubernetes.aio import client as official
from kubernetes.aio import config as official_config

from recommender_operator.controller.kube import ConflictError, KubeError, Object

Query = list[tuple[str, str]]
LogIn = Callable[[], Awaitable[Any]]

UNAUTHORIZED, CONFLICT = 401, 409
#: Minimum pause between two logins after a 401, in seconds.
LOGIN_PAUSE = 5.0
#: Time limit of a connection, in seconds.
CONNECT = 10.0
#: Maximum length of a line of a watch, in bytes; objects are limited to about 1.5 MiB.
LINE_BYTES = 2**23


@dataclasses.dataclass(frozen=True)
class Answer:
    """The response of a request; `status` is 0 without one."""

    status: int
    headers: Mapping[str, str]
    data: bytes


async def log_in() -> Any:
    """Return the in-cluster configuration of a pod, else that of the kubeconfig.

    In a pod, the client reads the token file again every minute.

    Raises:
        KubeError: neither exists.
    """
    configuration = official.Configuration()
    try:
        if os.environ.get("KUBERNETES_SERVICE_HOST") and not os.environ.get("KUBECONFIG"):
            official_config.load_incluster_config(client_configuration=configuration)
        else:
            await official_config.load_kube_config(
                # The client itself reads the variable when it is imported.
                config_file=os.environ.get("KUBECONFIG"),
                client_configuration=configuration,
            )
    except (official_config.ConfigException, OSError) as error:
        raise KubeError(
            f"no access to a cluster: {error}; run inside a pod with a service account, "
            "or set KUBECONFIG"
        ) from error
    return configuration


class Transport:
    """Sends requests with limits for time and concurrency; it does not retry.

    After a 401 it logs in again, once: a token or a client certificate may have been replaced.
    """

    def __init__(
        self,
        log_in: LogIn = log_in,
        *,
        concurrency: int,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`timeout` of a request is in seconds. Neither limit applies to streams."""
        self._log_in = log_in
        self._gate = asyncio.Semaphore(concurrency)
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=min(timeout, CONNECT))
        self._clock = clock
        self._client: Any = None
        self._logged_in_at = 0.0
        self._login = asyncio.Lock()

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await _close(client)

    async def request(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
        fence: Callable[[], None] = lambda: None,
    ) -> Answer:
        """Send one request; without a connection, the status is 0.

        `fence` is called immediately before the request is sent, after all waits; if it raises,
        nothing is sent.
        """

        async def send() -> aiohttp.ClientResponse:
            return await self._send(
                method, path, query, body, content_type, self._timeout, fence=fence
            )

        try:
            async with self._gate:
                answer = await _whole(send)
                if answer.status == UNAUTHORIZED and await self._renewed():
                    answer = await _whole(send)
                return answer
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            text = str(error) or f"no response in {self._timeout.total:g} s"
            return Answer(0, {}, f"{type(error).__name__}: {text}".encode())

    @contextlib.asynccontextmanager
    async def stream(self, path: str, query: Query) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a stream of lines, such as a watch.

        Raises:
            KubeError: the request is rejected, or the stream breaks.
        """
        unlimited = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT)
        try:
            response = await self._send("GET", path, query, None, "application/json", unlimited)
            async with response:
                if response.status != 200:
                    data = await response.read()
                    if response.status == UNAUTHORIZED:
                        await self._renewed()
                    raise refusal("GET", path, response.status, data)
                try:
                    yield _lines(response)
                finally:
                    _cut(response)
        except (aiohttp.ClientError, OSError) as error:
            raise KubeError(f"GET {path}: {type(error).__name__}: {error}") from error

    async def _send(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: Object | None,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
        fence: Callable[[], None] = lambda: None,
    ) -> aiohttp.ClientResponse:
        client = await self._connected()
        headers = {"Accept": "application/json, */*", "Content-Type": content_type}
        prepared = await client.param_serialize(
            method,
            path,
            query_params=query or [],
            header_params=headers,
            auth_settings=["BearerToken"],
        )
        fence()
        # Not through `param_serialize`, which would copy each value: the body is plain JSON.
        where, (_, *rest) = prepared[:3], prepared[3:]
        answer = await client.call_api(*where, body, *rest, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _connected(self) -> Any:
        if self._client is None:
            async with self._login:
                if self._client is None:
                    self._client = await self._new_client()
        return self._client

    async def _renewed(self) -> bool:
        """Log in again, and return whether to retry the request."""
        async with self._login:
            if self._clock() - self._logged_in_at < LOGIN_PAUSE:
                return False
            former, self._client = self._client, await self._new_client()
            if former is not None:
                await _close(former)
            return True

    async def _new_client(self) -> Any:
        configuration = await self._log_in()
        # Callers retry, with pauses and metrics.
        configuration.retries = None
        # Each stream needs a connection; the semaphore limits requests.
        configuration.connection_pool_maxsize = 0
        configuration.proxy = configuration.proxy or proxy_of(configuration.host)
        self._logged_in_at = self._clock()
        client = official.ApiClient(configuration)
        connector = aiohttp.TCPConnector(
            limit=0,
            ssl=client.rest_client.ssl_context,
            # A cancelled request closes its connection in TLS's way, which waits for the server
            # for 30 s, also beyond `close`; this ends it after 2 s, and with `close`.
            enable_cleanup_closed=sys.version_info < (3, 12, 8),
        )
        # trust_env would read a netrc file in a thread for each request.
        configuration.client_session_kwargs = {"trust_env": False, "connector": connector}
        return client


async def _close(client: Any) -> None:
    await client.close()
    await client.configuration.client_session_kwargs["connector"].close()


async def _whole(send: Callable[[], Awaitable[aiohttp.ClientResponse]]) -> Answer:
    response = await send()
    async with response:
        return Answer(response.status, response.headers, await response.read())


def _cut(response: aiohttp.ClientResponse) -> None:
    """End the connection of a stream at once; after a whole response there is none.

    Closing it in TLS's way would wait for the server, and nobody waits for that.
    """
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()


def proxy_of(url: str) -> str | None:
    """Return the proxy for a URL from the environment; None if there is none."""
    parts = urllib.parse.urlsplit(url)
    if not parts.hostname or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield whole lines; aiohttp's own reader rejects lines that exceed its buffer."""
    rest = bytearray()
    async for chunk in response.content.iter_any():
        rest += chunk
        if b"\n" not in chunk:
            if len(rest) > LINE_BYTES:
                raise KubeError(f"GET {response.url.path}: a line of more than {LINE_BYTES} bytes")
            continue
        *lines, last = rest.split(b"\n")
        rest = bytearray(last)
        for line in lines:
            if line.strip():
                yield bytes(line)


def refusal(method: str, path: str, status: int, data: bytes) -> KubeError:
    """Return the error for a response of the API server."""
    text = data.decode("utf-8", "replace")
    answer: Object = {}
    with contextlib.suppress(ValueError):
        parsed = json.loads(text)
        answer = parsed if isinstance(parsed, dict) else {}
    return of_status(f"{method} {path}", {"code": status, "message": text, **answer})


def of_status(what: str, answer: Object) -> KubeError:
    """Return the error for a Status object."""
    status = int(answer.get("code") or 0)
    message = str(answer.get("message") or "")[:1000]
    causes = (answer.get("details") or {}).get("causes") or []
    kind = ConflictError if status == CONFLICT else KubeError
    return kind(
        f"{what}: {status} {message}",
        status=status,
        reason=str(answer.get("reason", "")),
        causes=[str(cause.get("reason", "")) for cause in causes],
    )
