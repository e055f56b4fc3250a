"""REST: the routes of the v1 and v2 protocols, probes and metrics."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version as version_of
from typing import Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from recommender_contract.headers import (
    DEADLINE_HEADER,
    ID_HEADER,
    MAX_DEADLINE_MS,
    SOURCE_HEADER,
    TIMING_HEADER,
    VERSION_HEADER,
    deadline_seconds,
)
from recommender_serving.artifact.published_report import PublishedReport
from recommender_serving.monitoring.readiness import Closing
from recommender_serving.monitoring.tracing import TRACE_HEADER
from recommender_serving.pipeline import forwarded_payloads, mirroring, routing
from recommender_serving.pipeline.request_context import CallContext
from recommender_serving.pipeline.service import SERVER, Service
from recommender_serving.protocols import errors, v2_json
from recommender_serving.protocols.request_limits import inputs, outputs
from recommender_serving.protocols.v2_messages import request_id
from recommender_serving.protocols.validation import parse_json
from recommender_serving.server import docs_page, openapi, pod_routes
from recommender_serving.server.request_bodies import Bodies

logger = logging.getLogger(__name__)
STATUS = {
    errors.InvalidRequest: 400,
    errors.UnknownModel: 404,
    errors.TooSlow: 408,
    errors.TooLarge: 413,
    errors.NotReady: 503,
    errors.Busy: 503,
}
#: What the headers of an answer say of its predictions.
NAMED = ("version", "source")
#: After these a part of the body may still be on its way, which nobody reads.
CLOSING = {408, 413}
ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]


class Json(Response):
    """A JSON response."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Encode the content."""
        return orjson.dumps(content)


class Rest:
    """Handlers of the routes."""

    def __init__(self, service: Service, bodies: Bodies, registry: CollectorRegistry) -> None:
        self._service = service
        self._bodies = bodies
        self._registry = registry
        self._document = openapi.document(service.limits, service.name, service.version)
        self._page = docs_page.page(self._document)

    def routes(self) -> list[Route]:
        """Return the routes; the most frequent first, since they are tried in order."""
        post, model = ["POST"], "/v2/models/{model}"
        return [
            Route("/v1/models/{model}:predict", self.predict, methods=post),
            Route(f"{model}/infer", self.infer, methods=post),
            Route(f"{model}/versions/{{version}}/infer", self.infer, methods=post),
            Route("/v2/health/ready", self.server_ready),
            Route("/v2/health/live", self.live),
            Route("/metrics", self.metrics),
            Route("/v1/models", self.models),
            Route("/v1/models/{model}", self.v1_ready),
            Route("/v2", self.server),
            Route("/v2/models", self.models),
            Route(model, self.metadata),
            Route(f"{model}/versions/{{version}}", self.metadata),
            Route(f"{model}/ready", self.v2_ready),
            Route(f"{model}/versions/{{version}}/ready", self.v2_ready),
            Route("/openapi.json", self.description),
            Route("/docs", self.docs),
            Route("/", self.alive),
        ]

    async def predict(self, request: Request) -> Response:
        """Answer a v1 call; JSON is accepted under any content type."""
        id_ = request_id(request.headers.get(ID_HEADER))
        start = time.perf_counter()
        with self._service.calls.call("v1", id_, request.headers.get(TRACE_HEADER)):
            self._check_model(request)
            call = self._call_context(request, id_)
            read = self._bodies.read(request.receive)
            # Passed on without a name: the models may take a while, and a body has up to 4 MiB.
            with mirroring.keeping_body(self._service, call) as kept:
                answers = await routing.predict(self._service, parse_json(kept(await read)), call)
        mirroring.mirror_v1(self._service, call, len(answers))
        version, source = (",".join(dict.fromkeys(each[of] for each in answers)) for of in NAMED)
        headers = _headers(id_, version, source, call, start)
        return Json({"predictions": answers}, headers=headers)

    async def infer(self, request: Request) -> Response:
        """Answer a v2 call, in JSON or with raw contents."""
        id_ = request_id(request.headers.get(ID_HEADER))
        start = time.perf_counter()
        with self._service.calls.call("v2", id_, request.headers.get(TRACE_HEADER)):
            self._check_model(request)
            call = self._call_context(request, id_)
            length = request.headers.get(v2_json.LENGTH_HEADER)
            read = self._bodies.read(request.receive)
            with mirroring.keeping_body(self._service, call) as kept:
                reply = await routing.infer_rest(self._service, kept(await read), length, call)
        mirroring.mirror_v2(self._service, call, length)
        headers = _headers(reply.id, reply.version, reply.source, call, start)
        if reply.size is None:
            return Response(reply.content, media_type=forwarded_payloads.JSON, headers=headers)
        headers[v2_json.LENGTH_HEADER] = str(reply.size)
        return Response(reply.content, media_type=forwarded_payloads.RAW, headers=headers)

    def _call_context(self, request: Request, id_: str) -> CallContext:
        version = request.path_params.get("version", "")
        return self._service.call_context(id_, _deadline(request), request.headers, version)

    def _check_model(self, request: Request) -> str:
        given = request.path_params
        self._service.check_model(given["model"], given.get("version", ""))
        return self._service.name

    async def v1_ready(self, request: Request) -> Response:
        """Answer whether to send traffic, by the v1 protocol."""
        name = self._check_model(request)
        await self._service.check_model_ready()
        return Json({"name": name, "ready": True})

    async def v2_ready(self, request: Request) -> Response:
        """Answer whether to send traffic, by the v2 protocol."""
        name = self._check_model(request)
        await self._service.check_model_ready()
        return Json({"name": name, "ready": True})

    async def server_ready(self, _: Request) -> Response:
        """Answer whether to send traffic."""
        await self._service.check_ready()
        return Json({"ready": True})

    async def live(self, _: Request) -> Response:
        """Answer that the process runs."""
        return Json({"live": True})

    async def alive(self, _: Request) -> Response:
        """Answer that the process runs, where KServe's own servers do."""
        return Json({"status": "alive"})

    async def models(self, _: Request) -> Response:
        """List the models."""
        return Json({"models": [self._service.name]})

    async def server(self, _: Request) -> Response:
        """Describe the server."""
        return Json({"name": SERVER, "version": version_of("recommender-operator"),
                     "extensions": ["binary_tensor_data"]})  # fmt: skip

    async def metadata(self, request: Request) -> Response:
        """Describe the tensors of the model."""
        name = self._check_model(request)
        return Json(
            {
                "name": name,
                "versions": [self._service.version],
                "platform": "",
                "inputs": inputs(self._service.limits),
                "outputs": outputs(self._service.limits.ids),
            }
        )

    async def description(self, _: Request) -> Response:
        """Answer the OpenAPI description."""
        return Json(self._document)

    async def docs(self, _: Request) -> Response:
        """Answer the description as a page for people."""
        headers = {"content-security-policy": docs_page.POLICY}
        return Response(self._page, media_type="text/html", headers=headers)

    async def metrics(self, request: Request) -> Response:
        """Answer the metrics in Prometheus's text format, to those who ask the pod itself."""
        pod_routes.refuse_proxied(request)
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


def _headers(
    id_: str, version: str, source: str, call: CallContext, start: float
) -> dict[str, str]:
    """Return the headers of an answer."""
    headers = {VERSION_HEADER: version, SOURCE_HEADER: source}
    if call.trial is not None and call.trial.forwarded:
        headers[TIMING_HEADER] = f"answer;dur={1000 * (time.perf_counter() - start):.3f}"
    # The id of a v2 body may have characters that a header cannot have.
    return headers | ({ID_HEADER: id_} if request_id(id_) == id_ else {})


def _deadline(request: Request) -> float | None:
    """Return the time of the event loop at which the client stops to wait.

    Raises:
        InvalidRequest: the header is no number of milliseconds.
    """
    given = request.headers.get(DEADLINE_HEADER)
    if given is None:
        return None
    seconds = deadline_seconds(given)
    if seconds is None:
        raise errors.InvalidRequest(
            f"{DEADLINE_HEADER}: got {given[:40]!r}; give whole milliseconds from 1 to "
            f"{MAX_DEADLINE_MS}"
        )
    return asyncio.get_running_loop().time() + seconds


def build_app(
    service: Service,
    bodies: Bodies,
    registry: CollectorRegistry,
    report: PublishedReport | None = None,
) -> ASGIApp:
    """Build the application: probes, metrics, report, and the routes of both protocols."""
    app = Starlette(
        routes=Rest(service, bodies, registry).routes() + pod_routes.of_report(report),
        exception_handlers=_refusals(service),
    )
    return Closing(app, service.readiness)


def _refusals(service: Service) -> dict[Any, ErrorHandler]:
    async def refused(request: Request, error: Exception) -> Response:
        if isinstance(error, errors.InvalidRequest):
            service.invalid(error.instances, request.headers)
        elif isinstance(error, errors.TooLarge | errors.TooSlow):
            service.invalid(1, request.headers)
        return _error(STATUS[type(error)], str(error))

    async def no_route(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _error(error.status_code, str(error.detail))

    async def gone(_: Request, __: Exception) -> Response:
        return _error(400, "the client has left")  # nobody reads it

    async def failed(_: Request, error: Exception) -> Response:
        return _error(500, f"internal error ({type(error).__name__}); the server's log has more")

    return {
        **dict.fromkeys(STATUS, refused),
        HTTPException: no_route,
        ClientDisconnect: gone,
        Exception: failed,
    }


def _error(status: int, message: str) -> Response:
    headers = {"connection": "close"} if status in CLOSING else {}
    return Json({"error": message}, status_code=status, headers=headers)
