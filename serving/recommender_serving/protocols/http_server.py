"""The HTTP server of one process: uvicorn with bounded connections."""

from __future__ import annotations

import uvicorn
from starlette.types import ASGIApp

from recommender_serving.listening import KEEP_ALIVE_SECONDS, Server
from recommender_serving.protocols.connections import Connections

BACKLOG = 2048


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
