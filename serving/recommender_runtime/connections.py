"""HTTP connections within bounds: their number, the time of headers and of reading answers.

Uvicorn has a timeout for idle connections between two requests alone. A client that sends nothing
after it connected, half a header, or a header without end, and one that does not read its answer,
would hold memory for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import fcntl
import functools
import itertools
import sys
import termios
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from recommender_runtime.joined_writes import JoinedWrites

CLOSE = b"content-length: 0\r\nconnection: close\r\n\r\n"
SLOW = b"HTTP/1.1 408 Request Timeout\r\n" + CLOSE
LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + CLOSE
#: Idle connections that are looked at for one to close.
LOOKS = 16
FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n" + CLOSE


class Refusal(enum.StrEnum):
    """Reason of the refusal of a connection or a body."""

    CONNECTIONS = "connections"  # too many
    HEADERS = "headers"  # too large
    PIPELINED = "pipelined"  # too many requests ahead
    SLOW = "slow"  # headers, a body, or a client that does not read
    BODIES = "bodies"  # those that are being read fill their budget


@dataclass(slots=True)
class Connections:
    """The bounds of all connections, and those that wait for a request, oldest first.

    A connection beyond `limit` takes the place of the one that has waited longest. Probes can thus
    connect however many idle connections there are. In a flood, one may have a request that is not
    read yet, and a client that was just answered is about to send the next one: these keep their
    places. If no other one waits, the new one is refused: it gets an answer, and is kept a moment
    longer for it to arrive. As many may be refused at a time.
    """

    limit: int = 1024
    header_seconds: float = 10.0  # from the connection, or the first byte, to the end of headers
    header_bytes: int = 32 * 1024
    write_seconds: float = 10.0  # that a client may leave an answer unread
    idle_seconds: float = 0.5  # that an answered one waits before another may take its place
    refused_seconds: float = 1.0  # until a refused connection is closed
    pipelined: int = 16  # requests that one connection may send ahead
    refused: Callable[[Refusal], None] = lambda _: None
    count: int = 0
    lingering: int = 0  # that were refused; not in `count`
    waiting: dict[BoundedProtocol, float] = field(default_factory=dict)  # since when

    def protocol(self) -> Callable[..., BoundedProtocol]:
        """Return the factory of the protocol of each connection."""
        return functools.partial(BoundedProtocol, self)

    def admit(self) -> bool:
        """Count a connection; if there are too many, close an idle one or return False."""
        self.count += 1
        if self.count <= self.limit:
            return True
        self.refused(Refusal.CONNECTIONS)
        oldest = itertools.islice(self.waiting.items(), LOOKS)
        idle = next((each for each, since in oldest if each.is_idle(since)), None)
        if idle is None:
            self.count -= 1
            return False
        idle.end(b"")
        return True


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's protocol of one connection, with bounds."""

    def __init__(self, bounds: Connections, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bounds = bounds
        self._begun = False  # headers that are not complete
        self._header_size = 0  # bytes of them
        self._completed = False  # some headers in this read
        self._is_refused = False
        self._was_asked = False
        self._headers_due: asyncio.TimerHandle | None = None
        self._unread_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit the connection, and wait for its first request."""
        super().connection_made(transport)
        self.transport = JoinedWrites(transport, self.loop)  # type: ignore[assignment]
        if self._bounds.admit():
            self._wait()
            self._start_header_timer()
        else:
            self._refuse()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._is_refused:
            self._bounds.lingering -= 1
        else:
            self._bounds.count -= 1
        self._bounds.waiting.pop(self, None)
        self._stop_header_timer()
        if self._unread_due is not None:
            self._unread_due.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; the first byte of a request, whatever it is, starts the time of its headers."""
        if self._is_refused:
            return
        self._completed = False
        super().data_received(data)
        # Most headers are complete now, and need no timer.
        if self in self._bounds.waiting and self._headers_due is None:
            self._start_header_timer()
        # What follows a complete request in the same read is not counted: a read is small.
        if self._begun and not self._completed:
            self._header_size += len(data)
            if self._header_size > self._bounds.header_bytes:
                self._bounds.refused(Refusal.HEADERS)
                self.end(LONG)

    def on_message_begin(self) -> None:
        """Expect headers."""
        self._begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Serve the request, or keep it until the one before is answered."""
        self._begun = False
        self._completed = self._was_asked = True
        self._header_size = 0
        self._bounds.waiting.pop(self, None)
        self._stop_header_timer()
        if self.transport.is_closing():
            return
        super().on_headers_complete()
        if len(self.pipeline) > self._bounds.pipelined:
            self._bounds.refused(Refusal.PIPELINED)
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, unless the connection has been closed."""
        if self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a body, unless the connection has been closed."""
        if self.cycle is not None:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, whose headers may have begun."""
        super().on_response_complete()
        if self.transport.is_closing() or not self.cycle.response_complete:
            return
        self._wait()
        if self._begun:
            self._start_header_timer()

    def pause_writing(self) -> None:
        """Start the time in which the client has to read."""
        super().pause_writing()
        if self._unread_due is None:
            self._unread_due = self.loop.call_later(self._bounds.write_seconds, self._unread)

    def resume_writing(self) -> None:
        """Stop that time."""
        super().resume_writing()
        if self._unread_due is not None:
            self._unread_due.cancel()
            self._unread_due = None

    def is_idle(self, since: float) -> bool:
        """Return whether another one may take its place, if it has waited since this time."""
        if self._was_asked and self.loop.time() - since < self._bounds.idle_seconds:
            return False
        sock = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError, ValueError):  # it is closed
            found = fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4))
            return int.from_bytes(found, sys.byteorder) == 0
        return True

    def _refuse(self) -> None:
        """Answer 503, and close later: a close with a request unread resets the connection."""
        self._is_refused = True
        self._bounds.lingering += 1
        self.transport.write(FULL)
        if self._bounds.lingering > self._bounds.limit:
            self.transport.close()
            return
        self.transport.flush()  # type: ignore[attr-defined]
        self.transport.write_eof()
        self._headers_due = self.loop.call_later(
            self._bounds.refused_seconds, self.transport.close
        )

    def end(self, response: bytes) -> None:
        """Close the connection, after a response without a body, if there is one."""
        self._bounds.waiting.pop(self, None)
        if not self.transport.is_closing():
            if response:
                self.transport.write(response)
            self.transport.close()

    def _wait(self) -> None:
        self._bounds.waiting[self] = self.loop.time()

    def _start_header_timer(self) -> None:
        self._headers_due = self.loop.call_later(self._bounds.header_seconds, self._slow)

    def _stop_header_timer(self) -> None:
        if self._headers_due is not None:
            self._headers_due.cancel()
            self._headers_due = None

    def _slow(self) -> None:
        self._headers_due = None
        self._bounds.refused(Refusal.SLOW)
        # Nothing is owed to a client that has not begun a request.
        self.end(SLOW if self._begun else b"")

    def _unread(self) -> None:
        self._unread_due = None
        self._bounds.refused(Refusal.SLOW)
        self.transport.abort()
