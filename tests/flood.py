"""Many more requests than a server expects, and what became of each of them.

    python -m tests.flood PORT PATH RATE SECONDS BODY

POST requests leave at their time, whatever became of those before: on a connection that waits for
one, else on a new one. `@` in the body is the number of the request. One whose connection was
closed without an answer is sent once more, as clients do. The result is a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import uvloop

TICK = 0.005
#: For the last answers, after which a request has none.
PATIENCE = 120.0
HEAD = "POST {path} HTTP/1.1\r\nhost: flood\r\ncontent-type: application/json\r\n"
SOURCE = b"x-recommender-source: "


class Flood:
    """The requests, and their connections to one server."""

    def __init__(self, port: int, path: str, body: str) -> None:
        self.idle: dict[Connection, None] = {}
        self.statuses: Counter[int] = Counter()
        self.sources: Counter[str] = Counter()
        self.unanswered = self.repeated = self.connections = self.most = 0
        self._port = port
        self._head = HEAD.format(path=path)
        self._body = body
        self._left = 0
        self._opening: set[asyncio.Task[None]] = set()

    async def run(self, rate: float, seconds: float) -> dict[str, Any]:
        """Send all, wait for the answers, and return the counts."""
        total, start, sent, late = round(rate * seconds), time.monotonic(), 0, 0.0
        self._left = total
        while sent < total:
            elapsed = time.monotonic() - start
            due = min(total, int(elapsed * rate))
            late = max(late, elapsed - sent / rate)
            for number in range(sent, due):
                self._send(self._request(number))
            sent = due
            await asyncio.sleep(TICK)
        took, deadline = time.monotonic() - start, time.monotonic() + PATIENCE
        while self._left and time.monotonic() < deadline:
            await asyncio.sleep(TICK)
        return {
            "sent": sent,
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "sources": dict(self.sources),
            "unanswered": self.unanswered + self._left,
            "repeated": self.repeated,
            "connections": self.most,
            "rate": round(sent / took),
            "late": round(late, 3),
            "seconds": round(time.monotonic() - start, 1),
        }

    def answered(self, status: int, head: bytes) -> None:
        """Count an answer."""
        self._left -= 1
        self.statuses[status] += 1
        if (at := head.find(SOURCE)) >= 0:
            self.sources[head[at + len(SOURCE) :].split(b"\r\n", 1)[0].decode()] += 1

    def lost(self, request: bytes, *, again: bool) -> None:
        """Send a request again whose connection was lost, or count it."""
        if again:
            self.repeated += 1
            self._open(request, first=False)
        else:
            self._left -= 1
            self.unanswered += 1

    def _request(self, number: int) -> bytes:
        body = self._body.replace("@", str(number))
        return f"{self._head}content-length: {len(body)}\r\n\r\n{body}".encode()

    def _send(self, request: bytes) -> None:
        if self.idle:
            connection = next(iter(self.idle))
            del self.idle[connection]
            connection.ask(request, first=True)
        else:
            self._open(request, first=True)

    def _open(self, request: bytes, *, first: bool) -> None:
        task = asyncio.create_task(self._asked(request, first))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _asked(self, request: bytes, first: bool) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(self), "127.0.0.1", self._port
            )
        except OSError:
            self.lost(request, again=first)
        else:
            connection.ask(request, first=first)


class Connection(asyncio.Protocol):
    """A connection with at most one request at a time."""

    def __init__(self, flood: Flood) -> None:
        self._flood = flood
        self._request = b""
        self._first = True
        self._read = b""
        self._early: tuple[int, bytes] | None = None
        self._is_lost = False
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._flood.connections += 1
        self._flood.most = max(self._flood.most, self._flood.connections)

    def ask(self, request: bytes, *, first: bool) -> None:
        """Send a request; one that is sent for the first time may be sent again."""
        if self._early is not None:
            self._flood.answered(*self._early)
            return
        if self._is_lost:
            self._flood.lost(request, again=first)
            return
        self._request, self._first = request, first
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        if not end:
            return
        head = head.lower()
        length = int(head.partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self._read = b""
        if self._request:
            self._request = b""
            self._flood.answered(int(head[9:12]), head)
        else:  # a server that refuses a connection answers before it gets a request
            self._early = int(head[9:12]), head
        if b"connection: close" in head:
            self._transport.close()
        elif self._early is None and not self._is_lost:
            self._flood.idle[self] = None

    def connection_lost(self, error: Exception | None) -> None:
        self._is_lost = True
        self._flood.connections -= 1
        self._flood.idle.pop(self, None)
        if self._request:
            request, self._request = self._request, b""
            self._flood.lost(request, again=self._first)


def main(arguments: Sequence[str]) -> None:
    """Flood a server, and print the counts."""
    port, path, rate, seconds, body = arguments
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(
            json.dumps(runner.run(Flood(int(port), path, body).run(float(rate), float(seconds))))
        )


if __name__ == "__main__":
    main(sys.argv[1:])
