"""Limits of connections: how many there are, and how long one may be silent.

aiohttp limits the size of what it reads, and the time until a client has sent a request, but
neither the number of connections nor the time in which a client reads an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

#: Connections at a time.
MOST = 256
#: Seconds until a request must be there, counted from the connection or the last answer.
PATIENCE = 15.0


class Guard:
    """Counts connections; knows which of them wait for an answer of ours."""

    def __init__(self, most: int = MOST, patience: float = PATIENCE) -> None:
        self.most = most
        self.patience = patience
        self._open: dict[asyncio.BaseTransport, _Connection] = {}

    def __len__(self) -> int:
        return len(self._open)

    def wrap(self, factory: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """Return a factory of protocols with these limits."""
        return lambda: _Connection(factory(), self._open, self)

    def answers(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that the head of a request has arrived: its handler has a time limit of its own."""
        if transport is not None and (one := self._open.get(transport)) is not None:
            one.stop_waiting()

    def answered(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that the answer is sent."""
        if transport is not None and (one := self._open.get(transport)) is not None:
            one.wait()


class _Connection(asyncio.Protocol):
    """A protocol that hands everything on to aiohttp's."""

    def __init__(
        self,
        inner: asyncio.Protocol,
        open_ones: dict[asyncio.BaseTransport, _Connection],
        guard: Guard,
    ) -> None:
        self._inner = inner
        self._open = open_ones
        self._guard = guard
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        full = len(self._open) >= self._guard.most
        self._open[transport] = self
        self._inner.connection_made(transport)
        if full:
            self._transport.abort()
        else:
            self.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop_waiting()
        self._open.pop(cast("asyncio.BaseTransport", self._transport), None)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def wait(self) -> None:
        """Give the client its time."""
        self.stop_waiting()
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._guard.patience, self._transport.abort)

    def stop_waiting(self) -> None:
        """Let the connection be."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
