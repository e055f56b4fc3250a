"""A small HTTP/1.1 client of one address, with connections that are kept.

The serving image has no HTTP client that suits an event loop, and this one needs little: POST,
answers in memory, one host. The parser is that of the server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import httptools

MOST_BYTES = 16 * 2**20  # of an answer
MOST_IDLE = 32  # connections that are kept
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


@dataclass(slots=True)
class Response:
    """An answer; the names of its headers are in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Connection(asyncio.Protocol):
    """One connection, for one request at a time."""

    def __init__(self, closed: Callable[[Connection], None]) -> None:
        self.born = self.used = time.monotonic()
        self.reusable = False
        self._closed = closed
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._response = Response()
        self._parts: list[bytes] = []
        self._size = 0
        self._done: asyncio.Future[Response] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    async def post(self, request: bytes) -> Response:
        """Send a whole request and return its answer.

        Raises:
            PeerLostError: the connection ended first.
            PeerError: what came is no answer, or is too large.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise PeerLostError("the connection is closed")
        self.reusable = False
        self._parser = httptools.HttpResponseParser(self)
        self._response, self._parts, self._size = Response(), [], 0
        self._done = asyncio.get_running_loop().create_future()
        transport.write(request)
        try:
            return await self._done
        except BaseException:
            self.close()
            raise
        finally:
            self._done = None
            self.used = time.monotonic()

    def close(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read a part of an answer."""
        if self._done is None:  # an answer that nobody asked for
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(PeerError(f"no answer of HTTP: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """End a request that waits."""
        self.reusable = False
        self._fail(PeerLostError(f"the connection was lost: {exc or 'closed'}"))
        self._closed(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._response.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._size += len(body)
        if self._size > MOST_BYTES:
            self._fail(PeerError(f"an answer of more than {MOST_BYTES} bytes"))
            return
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """Give the answer to who waits for it."""
        self._response.status = self._parser.get_status_code()
        self._response.body = b"".join(self._parts)
        self.reusable = self._parser.should_keep_alive()
        if self._done is not None and not self._done.done():
            self._done.set_result(self._response)

    def _fail(self, error: PeerError) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)


class HttpPeer:
    """An address. Use it in one event loop, and bound the calls by a timeout of your own."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._idle: list[Connection] = []

    @property
    def idle(self) -> int:
        """Number of connections that wait for a request."""
        return len(self._idle)

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Post a body; a request whose connection was lost is repeated once over a new one.

        Raises:
            PeerLostError: the second one was lost too, or there is no connection.
            PeerError: what came is no answer.
        """
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {self._host}\r\n{lines}"
            f"content-length: {len(body)}\r\n\r\n"
        )
        request = head.encode("latin-1") + body
        for left in reversed(range(TRIES)):
            kept = self._kept() if left else None
            try:
                connection = kept or await self._opened()
                response = await connection.post(request)
            except PeerLostError:
                if left:
                    continue
                raise
            self._keep(connection)
            return response
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        """Close the connections that wait."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _kept(self) -> Connection | None:
        """Return the connection that was used last, if it is young enough."""
        now = time.monotonic()
        while self._idle:
            connection = self._idle.pop()
            if now - connection.used < LONGEST_IDLE and now - connection.born < LONGEST_USE:
                return connection
            connection.close()
        return None

    async def _opened(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(self._forget), self._host, self._port
            )
        except OSError as error:
            raise PeerLostError(f"no connection to {self._host}: {error}") from error
        return connection

    def _keep(self, connection: Connection) -> None:
        if connection.reusable and len(self._idle) < MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def _forget(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
