"""The HTTP server of a transformer under test on a real socket, and clients that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

from recommender_runtime.connections import Connections, Refusal
from recommender_runtime.http_server import Server, build_server
from tests.unit.recommender_serving.serving_served import Served

PREDICT = "/v1/models/recommender:predict"
BODY = b'{"instances": [{"user_id": 1}]}'


def post(body: bytes = BODY, length: int | None = None) -> bytes:
    """A request, or with a larger length the start of one."""
    size = len(body) if length is None else length
    return f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n".encode() + body


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def response(self) -> tuple[int, bytes]:
        """Status and body of the next response."""
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 60)
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        body = await self._reader.readexactly(int(fields[b"content-length"]))
        return int(head.split()[1]), body

    async def closed(self) -> bytes:
        """Wait until the server closes the connection; returns what was still sent."""
        with contextlib.suppress(ConnectionResetError):
            return await asyncio.wait_for(self._reader.read(), 60)
        return b""


class Site:
    """A running server, and how often it refused something."""

    def __init__(self, server: Server, port: int, connections: Connections) -> None:
        self._server = server
        self.port = port
        self.connections = connections
        self.refusals: list[Refusal] = []
        self._clients: list[asyncio.StreamWriter] = []

    @property
    def answered(self) -> int:
        """Requests that have been answered, read or not."""
        return self._server.server_state.total_requests

    async def connect(self, buffer: int | None = None) -> Client:
        """Connect; `buffer` is the size of the client's buffer for answers."""
        sock = socket.socket()
        if buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        limit = 2**16 if buffer is None else 1
        reader, writer = await asyncio.open_connection(sock=sock, limit=limit)
        self._clients.append(writer)
        return Client(reader, writer)

    def disconnect(self) -> None:
        for writer in self._clients:
            writer.close()


@contextlib.asynccontextmanager
async def running(served: Served, connections: Connections) -> AsyncIterator[Site]:
    """The server of the application, on a free port."""
    server = build_server(served.app, connections, 1)
    listener = socket.create_server(("127.0.0.1", 0))
    site = Site(server, listener.getsockname()[1], connections)
    connections.refused = site.refusals.append
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    try:
        yield site
    finally:
        site.disconnect()
        server.should_exit = True
        await serving


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)
