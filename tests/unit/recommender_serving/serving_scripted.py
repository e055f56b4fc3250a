"""An HTTP server that does to each request what it is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
CLOSING = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi"
HANG, DROP = b"hang", b"drop"


def answer(status: int = 200, body: bytes = b"{}", **headers: str) -> bytes:
    """A whole answer; the names of headers have underscores."""
    lines = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())
    return f"HTTP/1.1 {status} X\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


class Scripted:
    """What it answers, in order, and then `usual`; what it was asked."""

    def __init__(self) -> None:
        self.script: list[bytes] = []
        self.usual = OK
        self.requests: list[tuple[dict[str, str], bytes]] = []  # headers and body
        self.connections = 0
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._one(reader, writer):
                pass
        self._open.discard(writer)
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = (line.split(": ", 1) for line in head.split("\r\n")[1:-2])
        headers = {name.lower(): text for name, text in lines}
        self.requests.append((headers, await reader.readexactly(int(headers["content-length"]))))
        todo = self.script.pop(0) if self.script else self.usual
        if todo == HANG:
            await reader.read()
            return False
        if todo == DROP:
            return False
        writer.write(todo)
        await writer.drain()
        return b"connection: close" not in todo

    def drop_all(self) -> None:
        """Close the connections, as a killed process does."""
        for writer in self._open:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    """A server on a free port."""
    site = Scripted()
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        site.drop_all()
        server.close()
        await server.wait_closed()
