"""Build the server, run it, and shut it down without losing a request."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable
from functools import partial

import grpc
import uvloop
from prometheus_client import REGISTRY, disable_created_metrics

from recommender_serving.answering.circuit_breaker import CircuitBreaker
from recommender_serving.answering.composing import Composer
from recommender_serving.answering.fallback import Chain, Ranker, Stage
from recommender_serving.answering.history import History, Users
from recommender_serving.answering.recommender import Recommender
from recommender_serving.answering.timed import TimedRanker, TimedUsers
from recommender_serving.answering.traced import TracedRanker, TracedUsers
from recommender_serving.artifact.loader import Artifact, load
from recommender_serving.domain.types import FallReason, Source, Waited
from recommender_serving.impressions import collector
from recommender_serving.impressions.events import CONTENT_TYPE, Origin
from recommender_serving.impressions.reporter import Impressions
from recommender_serving.listening import Server, listen
from recommender_serving.monitoring.calls import Call, noting
from recommender_serving.monitoring.drift_features import Bins
from recommender_serving.monitoring.metrics import Metrics
from recommender_serving.monitoring.session_memory import SessionMemory
from recommender_serving.monitoring.tracing import Tracing, client_trace
from recommender_serving.process.settings import ServeSettings
from recommender_serving.process.warm_up import warm_up
from recommender_serving.protocols import grpc_server, http_server, rest_server
from recommender_serving.protocols.bodies import Bodies
from recommender_serving.protocols.call_log import CallLog, UserNames
from recommender_serving.protocols.connections import Connections
from recommender_serving.protocols.limits import limits_of
from recommender_serving.protocols.readiness import Readiness
from recommender_serving.protocols.service import Service
from recommender_serving.store.reader import UserReader
from recommender_serving.triton.client import Triton, TritonRanker

logger = logging.getLogger(__name__)
OnFall = Callable[[Source, FallReason], None]
MODEL_NAME = "recommender"
REPORT_SECONDS = 3.0  # for the impressions that wait at the end
TRITON_MODELS = ("recommender", "baseline")


def run(settings: ServeSettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ArtifactError: the artifact cannot be served.
        OSError, RuntimeError: a port cannot be bound.
    """
    artifact = load(settings.artifact)
    # Imported modules stay alive; a full collection of them would delay requests.
    gc.collect()
    gc.freeze()
    disable_created_metrics()  # type: ignore[no-untyped-call]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, artifact))


def build_tracing(settings: ServeSettings) -> Tracing | None:
    """Build what exports traces, if there is a receiver.

    Raises:
        RuntimeError: the packages for it are not installed.
    """
    if settings.trace_endpoint is None:
        return None
    try:
        # Here, because most processes need none of it.
        from recommender_serving.process import spans
    except ImportError as error:
        raise RuntimeError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but {error.name} is missing: install "
            "recommender-operator[tracing], or unset the variable"
        ) from error
    exporter = spans.exporter(settings.trace_endpoint)
    return spans.OpenTelemetry(exporter, settings.trace_ratio, settings.model, settings.version)


def build_recommender(
    settings: ServeSettings,
    artifact: Artifact,
    rankers: tuple[Ranker, Ranker],
    tracing: Tracing | None = None,
) -> Recommender:
    """Build everything that answers a request, without the protocols."""
    bins = Bins(artifact)
    metrics = Metrics(
        REGISTRY, settings.model, settings.version, bins.reference(), bins.design_effects()
    )
    waited_for = noting(metrics.waited, Call.waited)
    stages = tuple(
        Stage(
            source,
            TimedRanker(_traced(ranker, waited, tracing), partial(waited_for, waited)),
            CircuitBreaker(settings.max_in_flight),
            timeout,
        )
        for source, waited, ranker, timeout in zip(
            (Source.MODEL, Source.BASELINE),
            (Waited.MODEL, Waited.BASELINE),
            rankers,
            (settings.timeout, settings.baseline_timeout),
            strict=True,
        )
    )
    noted = noting(metrics.fell, Call.fell)
    fell = noted if tracing is None else _both(noted, tracing.fell)
    composer = Composer(artifact.vocabulary.items, settings.list_limits, metrics.unmet)
    if composer.absent:
        logger.warning(
            "limits of lists are ignored for features that this version does not have: %s",
            ", ".join(composer.absent),
        )
    chain = Chain(
        stages,
        artifact.vocabulary,
        artifact.popularity,
        fell,
        artifact.item_texts,
        composer,
    )
    sessions = SessionMemory(time.monotonic)
    return Recommender(
        chain,
        bins,
        sessions,
        metrics,
        time.perf_counter,
        build_history(settings, metrics, tracing),
    )


def _both(first: OnFall, second: OnFall) -> OnFall:
    def both(source: Source, reason: FallReason) -> None:
        first(source, reason)
        second(source, reason)

    return both


def _traced(ranker: Ranker, stage: Waited, tracing: Tracing | None) -> Ranker:
    return ranker if tracing is None else TracedRanker(ranker, tracing, stage)


def build_history(
    settings: ServeSettings, metrics: Metrics, tracing: Tracing | None = None
) -> History | None:
    """Build the look into the collector's store, if there is one."""
    if settings.store_url is None:
        return None
    reader = UserReader(settings.store_url, settings.model, settings.store_password, settings.hide)
    users: Users = reader if tracing is None else TracedUsers(reader, tracing)
    timed = TimedUsers(users, partial(noting(metrics.waited, Call.waited), Waited.STORE))
    return History(timed, metrics.looked_up)


def build_impressions(
    settings: ServeSettings, artifact: Artifact, metrics: Metrics
) -> Impressions | None:
    """Build the reports of impressions to the collector, if they are wanted."""
    if settings.collector is None or not settings.impressions:
        return None
    # Numbers of a process start at 0, so it needs a source of its own.
    origin = Origin(settings.model, settings.version, f"{settings.version}/{uuid.uuid4().hex}")
    return Impressions(
        partial(collector.post, settings.collector, CONTENT_TYPE),
        origin,
        settings.impressions,
        artifact.vocabulary.features,
        metrics.reported,
    )


@contextlib.asynccontextmanager
async def _reporting(impressions: Impressions | None) -> AsyncIterator[None]:
    """Report impressions, and at the end those that wait, within a time."""
    if impressions is None:
        yield
        return
    running = asyncio.create_task(impressions.run())
    try:
        yield
    finally:
        impressions.close()
        await asyncio.wait({running}, timeout=REPORT_SECONDS)
        running.cancel()


async def _serve(settings: ServeSettings, artifact: Artifact) -> None:
    tracing = build_tracing(settings)
    triton = Triton(settings.predictor)
    metadata = client_trace if tracing is None else tracing.metadata
    recommender_model, baseline_model = (
        TritonRanker(triton, name, metadata) for name in TRITON_MODELS
    )
    rankers = (recommender_model, baseline_model)
    recommender = build_recommender(settings, artifact, rankers, tracing)
    readiness = Readiness(lambda: triton.ready(TRITON_MODELS), settings.model_wait)
    impressions = build_impressions(settings, artifact, recommender.metrics)
    service = Service(
        MODEL_NAME,
        settings.version,
        recommender,
        readiness,
        limits_of(artifact),
        texts=artifact.item_texts,
        calls=CallLog(UserNames(settings.user_salt), tracing=tracing),
        impressions=impressions,
    )
    refused = recommender.metrics.refused
    app = rest_server.build_app(service, Bodies(refused=refused), REGISTRY)
    connections = Connections(refused=refused)
    http = http_server.build_server(app, connections, settings.grace)
    rpc, _ = grpc_server.build_server(service, settings.grpc_port)
    opening = asyncio.create_task(readiness.open(lambda: warm_up(rankers, artifact)))
    try:
        listener = listen(settings.http_port, http_server.BACKLOG)
        async with _reporting(impressions):
            await _until_signal(settings, readiness, http, listener, rpc)
    finally:
        opening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await opening
        await triton.close()
        if tracing is not None:
            await asyncio.to_thread(tracing.close)


async def _until_signal(
    settings: ServeSettings,
    readiness: Readiness,
    http: Server,
    listener: socket.socket,
    rpc: grpc.aio.Server,
) -> None:
    """Serve until a signal; then become unready, keep serving during the drain, and stop."""
    signalled = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if readiness.draining:
            logger.warning("second signal: exiting now")
            http.should_exit = http.force_exit = True
        readiness.drain()
        signalled.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await rpc.start()
    serving = asyncio.create_task(http.serve(sockets=[listener]))
    waiting = asyncio.create_task(signalled.wait())
    logger.info(
        "%s %s: REST on %d, gRPC on %d, Triton at %s",
        settings.model,
        settings.version,
        settings.http_port,
        settings.grpc_port,
        settings.predictor,
    )
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not serving.done():
        logger.info("signal received: unready, closing in %s s", settings.drain)
        await asyncio.wait({serving}, timeout=settings.drain)
        http.should_exit = True
    await asyncio.gather(serving, rpc.stop(settings.grace))
