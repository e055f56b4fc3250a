"""POST to one other version by aiohttp, over connections that are kept for a bounded time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

MOST_BYTES = 16 * 2**20  # of an answer
#: Seconds. A Service assigns a pod to a connection, so an older one is not used again: pods that
#: were added get their share. Idle ones end long before the server would close them.
LONGEST_USE, LONGEST_IDLE = 30.0, 15.0
#: Tries of a request whose connection was lost. An inference changes nothing, so it may be
#: repeated; but not more than once, because it may itself be what ends each pod that it reaches.
TRIES = 2


class PeerError(Exception):
    """The other version failed, or could not be reached."""


class PeerLostError(PeerError):
    """The connection ended before the answer; another pod may answer."""


class PeerRefusesError(PeerError):
    """The other version is well, but refuses this request."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; the names of its headers have no case."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class HttpPeer:
    """An address. Use it in one event loop, and bound the calls by a timeout of your own."""

    def __init__(self, host: str, port: int) -> None:
        self._address = f"http://{host}:{port}"
        self._connections: _Connections | None = None

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Post a body; a request whose connection was lost is repeated once over a new one.

        Raises:
            PeerLostError: the second one was lost too, or there is no connection.
            PeerError: what came is no answer, or is too large.
        """
        url = self._address + path
        for left in reversed(range(TRIES)):
            connections = await self._current()
            try:
                return await connections.post(url, headers, body)
            except PeerLostError:
                if self._connections is connections:
                    await self.close()
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")

    async def close(self) -> None:
        """Close the connections: those with a request after its answer."""
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.retire()

    async def _current(self) -> _Connections:
        if self._connections is not None and self._connections.is_old:
            await self.close()
        if self._connections is None:
            self._connections = _Connections()
        return self._connections


class _Connections:
    """A pool, which is closed when it is retired and its last request has ended.

    Callers bound the requests in flight and thereby the connections.
    """

    def __init__(self) -> None:
        self._opened = time.monotonic()
        self._in_flight = 0
        self._retired = False
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=LONGEST_IDLE),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),
            skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
            auto_decompress=False,
        )

    @property
    def is_old(self) -> bool:
        """True if its connections are not to be used again."""
        return time.monotonic() - self._opened >= LONGEST_USE

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Post once; see `HttpPeer.post`."""
        self._in_flight += 1
        try:
            async with self._session.post(
                url, headers=headers, data=body, allow_redirects=False
            ) as response:
                return Response(response.status, response.headers, await _read(response))
        except aiohttp.ClientConnectorError as error:
            raise PeerLostError(f"no connection: {error}") from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            raise PeerLostError(f"the connection was lost: {error}") from error
        except aiohttp.ClientError as error:
            raise PeerError(f"no answer of HTTP: {error}") from error
        finally:
            self._in_flight -= 1
            await self._close_unused()

    async def retire(self) -> None:
        """Take no further request."""
        self._retired = True
        await self._close_unused()

    async def _close_unused(self) -> None:
        if self._retired and not self._in_flight:
            await self._session.close()


async def _read(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MOST_BYTES:
            raise PeerError(f"an answer of more than {MOST_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)
