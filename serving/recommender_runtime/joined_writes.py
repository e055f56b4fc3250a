"""Send the head of an answer together with its body: one system call, and one packet, not two."""

from __future__ import annotations

import asyncio
from typing import Any

HEAD_STARTS, HEAD_ENDS = b"HTTP/1.", b"\r\n\r\n"


class JoinedWrites:
    """A transport that holds the head of an answer until its body follows.

    Uvicorn writes them one after the other, without a pause between them for an answer of one
    piece. A head without a body leaves at the next turn of the event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write, or hold the head of an answer for a moment."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif data.startswith(HEAD_STARTS) and data.endswith(HEAD_ENDS):
            self._head = data
            self._loop.call_soon(self.flush)
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write what is held."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def close(self) -> None:
        """Close after everything that was written."""
        self.flush()
        self._transport.close()
