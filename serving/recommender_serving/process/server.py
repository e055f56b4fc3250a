"""Run the server, and shut it down without losing a request."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import random
import signal
import socket
from collections.abc import AsyncIterator

import grpc
import uvloop
from prometheus_client import REGISTRY, disable_created_metrics

from recommender_runtime.aio import in_daemon
from recommender_runtime.connections import Connections
from recommender_runtime.http_server import Server, build_server, listen
from recommender_serving.artifact.loader import Artifact, load
from recommender_serving.impressions.reporter import Impressions
from recommender_serving.monitoring.readiness import Readiness
from recommender_serving.monitoring.tracing import Tracing, client_trace
from recommender_serving.monitoring.version_metrics import Metrics
from recommender_serving.pipeline.call_log import CallLog, UserNames
from recommender_serving.pipeline.list_assembly import ItemIds
from recommender_serving.pipeline.outgoing import Outgoing
from recommender_serving.pipeline.service import ServedVersion, Service
from recommender_serving.pipeline.stages import build_stages
from recommender_serving.process import watchdog
from recommender_serving.process.components import (
    build_explorer,
    build_forwarder,
    build_impressions,
    build_interleaving_client,
    build_recommender,
    build_tracing,
    build_traffic_mirror,
    build_trending,
)
from recommender_serving.process.keys import read_user_key, signer
from recommender_serving.process.settings import ServeSettings
from recommender_serving.process.warm_up import warm_up
from recommender_serving.protocols.request_limits import limits_of
from recommender_serving.ranking.recommender import Recommender
from recommender_serving.ranking.trending import Trending
from recommender_serving.server import grpc_server, rest_server
from recommender_serving.server.request_bodies import Bodies
from recommender_serving.triton.client import Triton, TritonRanker

logger = logging.getLogger(__name__)
MODEL_NAME = "recommender"
#: At the end, for the impressions and for the traces that wait. What then hangs is left behind.
REPORT_SECONDS, TRACE_SECONDS = 3.0, 2.0
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


@contextlib.asynccontextmanager
async def _following(trending: Trending | None) -> AsyncIterator[None]:
    """Follow the trends."""
    if trending is None:
        yield
        return
    running = asyncio.create_task(trending.run())
    try:
        yield
    finally:
        running.cancel()
        await trending.close()


async def _serve(settings: ServeSettings, artifact: Artifact) -> None:
    tracing = build_tracing(settings)
    triton = Triton(settings.predictor)
    rankers = _rankers(triton, tracing)
    trending = build_trending(settings, artifact)
    recommender = build_recommender(settings, artifact, rankers, tracing, trending)
    readiness = Readiness(lambda: triton.ready(TRITON_MODELS), settings.model_wait)
    metrics = recommender.metrics
    outgoing = Outgoing(
        build_impressions(settings, artifact, metrics),
        build_forwarder(settings, metrics, tracing),
        build_traffic_mirror(settings, metrics),
        build_interleaving_client(settings, metrics, tracing),
    )
    service = _service(settings, artifact, recommender, readiness, outgoing, tracing)
    http = _http_server(settings, artifact, service, metrics)
    rpc, _ = grpc_server.build_server(service, settings.grpc_port)
    unwatched = watchdog.start(asyncio.get_running_loop())
    opening = asyncio.create_task(readiness.open(lambda: warm_up(rankers, artifact)))
    try:
        listener = listen(settings.http_port)
        async with _following(trending), _reporting(outgoing.impressions):
            await _until_signal(settings, readiness, http, listener, rpc)
    finally:
        unwatched()
        opening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await opening
        await outgoing.close()
        await triton.close()
        await _export(tracing)


def _rankers(triton: Triton, tracing: Tracing | None) -> tuple[TritonRanker, TritonRanker]:
    """Return the model and the baseline, which answers when the model does not."""
    metadata = client_trace if tracing is None else tracing.metadata
    model, baseline = TRITON_MODELS
    return TritonRanker(triton, model, metadata), TritonRanker(triton, baseline, metadata)


def _service(
    settings: ServeSettings,
    artifact: Artifact,
    recommender: Recommender,
    readiness: Readiness,
    outgoing: Outgoing,
    tracing: Tracing | None,
) -> Service:
    """Build the service behind both protocols."""
    model, version, metrics = settings.model, settings.version, recommender.metrics
    ids, vocabulary = ItemIds(artifact.item_texts), artifact.vocabulary
    limits = limits_of(artifact, settings.callers.user_header)
    sign = signer(model, settings.collector_keys)
    explorer = build_explorer(settings, metrics)
    return Service(
        ServedVersion(MODEL_NAME, version, limits, ids, sign),
        recommender,
        readiness,
        outgoing,
        build_stages(
            model, version, vocabulary, metrics, outgoing, ids, random.randrange,
            settings.holds, explorer,
        ),
        CallLog(UserNames(read_user_key(settings.user_key_file)), tracing=tracing),
    )  # fmt: skip


def _http_server(
    settings: ServeSettings, artifact: Artifact, service: Service, metrics: Metrics
) -> Server:
    """Return the server of the REST protocol, with its limits of bodies and connections."""
    bodies = Bodies(refused=metrics.refused)
    app = rest_server.build_app(service, bodies, REGISTRY, artifact.report)
    connections = Connections(refused=metrics.refused)
    return build_server(app, connections, settings.grace)


async def _export(tracing: Tracing | None) -> None:
    """Export the traces that wait, within a time."""
    if tracing is None:
        return
    try:
        async with asyncio.timeout(TRACE_SECONDS):
            await in_daemon(tracing.close)
    except TimeoutError:
        logger.warning("traces: not all were exported in %s s", TRACE_SECONDS)


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
