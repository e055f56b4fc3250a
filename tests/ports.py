"""Ports for servers that tests start."""

from __future__ import annotations

import contextlib
import random
import socket

#: Below those that the kernel gives to outgoing connections, which could take one before its
#: server listens, and above those of the local cluster.
FIRST, LAST = 20_000, 29_999
#: Of its own: the tests seed the usual one, so that processes would draw the same ports.
_DRAW = random.SystemRandom()
_GIVEN: set[int] = set()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on, and that was not given before."""
    while True:
        port = _DRAW.randint(FIRST, LAST)
        with contextlib.suppress(OSError), socket.socket() as probe:
            if port not in _GIVEN:
                # As servers do: what remains of closed connections is no obstacle.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
                _GIVEN.add(port)
                return port


def free_ports(count: int) -> list[int]:
    """Return so many different ones."""
    return [free_port() for _ in range(count)]
