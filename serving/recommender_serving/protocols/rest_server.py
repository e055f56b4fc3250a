"""REST: KServe's routes on a smaller application."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady, ServerNotReady
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.server import metrics_handler
from kserve.protocol.rest.v1_endpoints import register_v1_endpoints
from kserve.protocol.rest.v2_endpoints import register_v2_endpoints
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recommender_serving.protocols.data_plane import MAX_BODY_BYTES, Invalid
from recommender_serving.protocols.readiness import Readiness
from recommender_serving.protocols.transformer import RefusedRequest

BACKLOG = 2048
# Longer than Go proxies (Traefik, Knative's queue-proxy) keep idle connections, 90 s. If the
# server closes a connection just as a proxy sends a request on it, the user gets an error.
KEEP_ALIVE_SECONDS = 120


class Envelope:
    """Limits the size of bodies, and closes connections during the drain."""

    def __init__(self, app: ASGIApp, readiness: Readiness) -> None:
        self._app = app
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MAX_BODY_BYTES:
                raise HTTPException(
                    413, f"the body has more than {MAX_BODY_BYTES} bytes: send a smaller one"
                )
            return message

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._readiness.draining:
                message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
            await send(message)

        await self._app(scope, bounded, closing)


class Server(uvicorn.Server):
    """Uvicorn without its own signal handlers; the drain determines the shutdown."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


def build_app(
    plane: DataPlane, repository: ModelRepositoryExtension, readiness: Readiness, invalid: Invalid
) -> FastAPI:
    """Build the application: probes, metrics, and the routes of the v1 and v2 protocols."""
    app = FastAPI(title="recommender", docs_url=None, redoc_url=None, openapi_url=None)
    root = APIRouter()
    root.add_api_route("/", plane.live)
    root.add_api_route("/metrics", metrics_handler, methods=["GET"])
    app.include_router(root)
    register_v1_endpoints(app, plane, repository)
    register_v2_endpoints(app, plane, repository)
    app.add_middleware(Envelope, readiness=readiness)
    _add_handlers(app, invalid)
    return app


def _add_handlers(app: FastAPI, invalid: Invalid) -> None:
    async def refused(_: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, RefusedRequest):
            invalid(1)  # failed before the model could count it
        return _error(400, str(error))

    async def unreadable(_: Request, error: Exception) -> JSONResponse:
        invalid(1)
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][:6])
        return _error(400, f"{field}: {first['msg']}; see the open inference protocol (v2)")

    async def rejected(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.status_code in (400, 413):
            invalid(1)
        return _error(error.status_code, str(error.detail))

    async def failed(_: Request, error: Exception) -> JSONResponse:
        return _error(500, f"internal error ({type(error).__name__}); the server's log has more")

    def plain(status: int) -> Callable[[Request, Exception], Any]:
        async def answer(_: Request, error: Exception) -> JSONResponse:
            return _error(status, str(error))

        return answer

    app.add_exception_handler(InvalidInput, refused)
    app.add_exception_handler(RequestValidationError, unreadable)
    app.add_exception_handler(HTTPException, rejected)
    app.add_exception_handler(ClientDisconnect, plain(400))  # no client reads it
    app.add_exception_handler(ModelNotFound, plain(404))
    app.add_exception_handler(ModelNotReady, plain(503))
    app.add_exception_handler(ServerNotReady, plain(503))
    app.add_exception_handler(NotImplementedError, plain(501))
    app.add_exception_handler(Exception, failed)


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status_code=status)


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


def build_server(app: ASGIApp, grace: float) -> Server:
    """Build the server of one process."""
    return Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, round(grace)),
        )
    )
