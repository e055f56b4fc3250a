"""Experiments, outcomes and the erasure of users; probes and metrics have a port of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from recommender_collector.api import erasure_routes as erasures_api
from recommender_collector.api import experiment_routes, outcome_routes
from recommender_collector.api.erasure_routes import ErasureReports
from recommender_collector.api.event_routes import failure
from recommender_collector.api.experiment_routes import Reports
from recommender_collector.api.outcome_routes import OutcomeReports
from recommender_collector.api.request_bodies import Refused, require_model
from recommender_collector.collector_metrics import CollectorMetrics
from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.events import Erasure
from recommender_collector.domain.lines import line_of
from recommender_collector.domain.store_updates import number
from recommender_collector.domain.validation import Rules, user_of_text
from recommender_collector.log.event_log import Appends, LogBusy, LogUnavailable
from recommender_collector.store.user_store import OnlineStore


class Erasures:
    """Forgets users."""

    def __init__(
        self,
        models: Mapping[str, Rules],
        log: Appends,
        store: OnlineStore,
        metrics: CollectorMetrics,
    ) -> None:
        self._models = models
        self._log = log
        self._store = store
        self._metrics = metrics

    async def delete(self, request: Request) -> Response:
        """Answer 202 when the erasure is in the log and the online store has forgotten the user.

        The writers then erase the user from the files, and once more from the store.
        """
        try:
            await self._erase(request.path_params["model"], request.path_params["user"])
        except Refused as refused:
            return failure(refused)
        self._metrics.erasures.inc()
        return Response(
            orjson.dumps({"store": "erased", "files": "pending"}),
            202,
            media_type="application/json",
        )

    async def _erase(self, model: str, text: str) -> None:
        require_model(model, self._models)
        try:
            user = user_of_text(text, self._models[model])
        except InvalidEvent as error:
            raise Refused(400, str(error)) from None
        try:
            await self._log.append_erasure(model, line_of(Erasure(user)))
            await self._store.forget(model, number(user))
        except (LogBusy, LogUnavailable, RedisError, OSError) as error:
            text = f"the log or the store does not answer ({type(error).__name__}): send it again"
            raise Refused(503, text, 1) from None


def probes_app(
    registry: CollectorRegistry, alive: Callable[[], bool], unready: Callable[[], Awaitable[str]]
) -> Starlette:
    """Build the application of the port of probes and metrics, which has no rights.

    `unready` says why nothing should come; empty if it may.
    """

    async def healthz(_: Request) -> Response:
        return Response("ok\n" if alive() else "stalled\n", 200 if alive() else 503)

    async def readyz(_: Request) -> Response:
        why = await unready()
        return Response(f"not ready: {why}\n" if why else "ok\n", 503 if why else 200)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    paths = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}
    return Starlette(routes=[Route(path, route) for path, route in paths.items()])


def admin_app(
    erasures: Erasures | None = None,
    reports: Reports | None = None,
    outcome_reports: OutcomeReports | None = None,
    erasure_reports: ErasureReports | None = None,
) -> Starlette:
    """Build the application of the admin port; `guarded` asks its callers for a token."""
    routes: list[BaseRoute] = []
    if erasures is not None:
        path = "/v1/models/{model}/users/{user:path}"
        routes.append(Route(path, erasures.delete, methods=["DELETE"]))
    if reports is not None:
        routes.append(Route(experiment_routes.PATH, reports.get))
    if outcome_reports is not None:
        routes.append(Route(outcome_routes.PATH, outcome_reports.get))
    if erasure_reports is not None:
        routes.append(Route(erasures_api.PATH, erasure_reports.get))
    return Starlette(routes=routes)
