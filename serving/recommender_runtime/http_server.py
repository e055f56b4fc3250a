"""The server and the socket of a process."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from recommender_runtime.connections import Connections

#: Connections that wait to be accepted.
BACKLOG = 2048
# Longer than Go proxies (Traefik, Knative's queue-proxy) keep idle connections, 90 s. If the
# server closes a connection just as a proxy sends a request on it, the user gets an error.
KEEP_ALIVE_SECONDS = 120


class Server(uvicorn.Server):
    """Uvicorn without its own signal handlers; the drain determines the shutdown."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


def build_server(app: ASGIApp, connections: Connections, grace: float) -> Server:
    """Build the server; `grace` is the time in seconds for requests in flight at its end."""
    return Server(
        uvicorn.Config(
            app,
            http=connections.protocol(),  # type: ignore[arg-type]
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # no answer depends on the client's address
            server_header=False,
            lifespan="off",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, round(grace)),
        )
    )


def listen(port: int) -> socket.socket:
    """Bind the port on every address of the pod, including IPv6 if the kernel supports it.

    Raises:
        OSError: the port is in use.
    """
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            ("::", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True
        )
    return socket.create_server(("", port), backlog=BACKLOG)
