"""How a process listens: the server and the socket that transformer and collector share."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn

# Longer than Go proxies (Traefik, Knative's queue-proxy) keep idle connections, 90 s. If the
# server closes a connection just as a proxy sends a request on it, the user gets an error.
KEEP_ALIVE_SECONDS = 120


class Server(uvicorn.Server):
    """Uvicorn without its own signal handlers; the drain determines the shutdown."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


def listen(port: int, backlog: int) -> socket.socket:
    """Bind the port on every address of the pod, including IPv6 if the kernel supports it.

    `backlog` is the number of connections that wait to be accepted.

    Raises:
        OSError: the port is in use.
    """
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            ("::", port), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True
        )
    return socket.create_server(("", port), backlog=backlog)
