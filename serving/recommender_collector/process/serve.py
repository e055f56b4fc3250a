"""Accept events until a signal."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import uvloop
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.types import ASGIApp

from recommender_collector.api.admin_routes import Erasures, admin_app, probes_app
from recommender_collector.api.callers import Callers, with_proofs
from recommender_collector.api.erasure_routes import ErasureReports
from recommender_collector.api.event_routes import Events, public_app
from recommender_collector.api.experiment_routes import Reports
from recommender_collector.api.outcome_routes import OutcomeReports
from recommender_collector.api.quotas import Quotas
from recommender_collector.api.tokens import InvalidToken, Tokens, guarded
from recommender_collector.collector_metrics import CollectorMetrics
from recommender_collector.domain.declaration import Declaration
from recommender_collector.domain.validation import Rules
from recommender_collector.experiments.experiment import Spans
from recommender_collector.log import durability
from recommender_collector.log.event_log import Appends, LogUnavailable
from recommender_collector.log.group_commit import GroupCommit
from recommender_collector.log.redis_log import RedisLog
from recommender_collector.outcomes.predictions import LabelRule
from recommender_collector.process import components, kafka, servers
from recommender_collector.process.settings import ServeSettings, StoreSettings
from recommender_collector.store.erasure_store import ErasureStore
from recommender_collector.store.experiment_store import ExperimentStore
from recommender_collector.store.outcome_store import OutcomeStore
from recommender_collector.store.user_store import OnlineStore
from recommender_runtime.aio import pause
from recommender_runtime.http_server import listen
from recommender_runtime.key_file import KeyFile
from recommender_runtime.settings import SettingsError

if TYPE_CHECKING:
    from recommender_collector.log.kafka_log import KafkaLog

logger = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
FAULTS = (LogUnavailable, RedisError, OSError, durability.NotDurable)
SETTINGS_EVERY = 30  # looks between two checks of the store's settings
#: New objects until garbage is searched for cycles. With Python's default of 700, searches take a
#: tenth of the CPU time of an event. A request leaves no cycle, also one that is refused. If
#: each left one, of 20 objects with a body of 1 MB, they would hold 173 MiB between searches.
GARBAGE = 2_000


def run(settings: ServeSettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        DeclarationError, SettingsError, NotDurable: see there.
        OSError: a port is in use.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


class Watch:
    """Looks at the log every second: whether it answers, its memory, its backlog, its settings."""

    def __init__(
        self,
        log: RedisLog,
        store: StoreSettings,
        metrics: CollectorMetrics,
        redis: Redis,
        kafka_log: KafkaLog | None,
    ) -> None:
        self._log = log
        self._store = store
        self._metrics = metrics
        self._redis = redis
        self._kafka_log = kafka_log
        #: Why no event could become durable; empty if it would.
        self.problem = "the log has not answered yet"
        #: What was wrong with the settings, until a look at them finds nothing.
        self._fault: durability.NotDurable | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop` is set.

        Until cancelled would not do: `asyncio.wait_for`, in which the client of Redis writes,
        loses a cancellation that arrives as the write ends (CPython issue 86296).
        """
        looks = 0
        while not stop.is_set():
            looks += 1
            try:
                await self._look_at(settings=looks % SETTINGS_EVERY == 0)
                self.problem = ""
            except FAULTS as error:
                if not self.problem:
                    logger.warning("unready: %s", error)
                self.problem = _said(error)
            await pause(stop, LOOK_SECONDS)

    async def check(self) -> None:
        """Look whether the log answers, and check its settings.

        Raises:
            NotDurable, LogUnavailable, RedisError, OSError: see there.
        """
        try:
            if self._kafka_log is not None:
                await self._kafka_log.check(settings=True)
            else:
                await components.check_store(self._redis, self._store)
        except FAULTS as error:
            self.problem = _said(error)
            raise

    async def _look_at(self, *, settings: bool) -> None:
        try:
            await self._look(settings=settings or self._fault is not None)
        except durability.NotDurable as error:
            self._fault = error
            raise
        self._fault = None

    async def _look(self, *, settings: bool) -> None:
        if self._kafka_log is not None:
            await self._kafka_log.check(settings=settings)
            with contextlib.suppress(LogUnavailable):  # events do not need the store
                await self._measure()
            return
        if settings and not self._store.durable:
            await durability.check_durability(self._redis)
        await self._measure()

    async def _measure(self) -> None:
        for model, backlog in (await self._log.backlog()).items():
            self._metrics.backlog(model, backlog.records)
            self._metrics.memory.set(backlog.memory)


def _said(error: Exception) -> str:
    """Return the text of a fault; a time-out has none."""
    return str(error) or type(error).__name__


def _admin(
    settings: ServeSettings,
    declared: Declaration,
    redis: Redis,
    appends: Appends,
    metrics: CollectorMetrics,
) -> ASGIApp:
    """Build the application of the admin port.

    Raises:
        SettingsError: the file of its tokens has none.
    """
    tokens = Tokens(settings.admin_tokens)
    try:
        tokens.read()
    except InvalidToken as error:
        raise SettingsError(f"RECOMMENDER_ADMIN_TOKEN_FILE: {error}") from None
    models = components.rules(declared, settings.user_key)
    erasures = Erasures(models, appends, OnlineStore(redis, settings.keep_seconds), metrics)
    spans = {name: Spans.of_model(each) for name, each in declared.models.items()}
    from_kafka = settings.kafka is not None
    experiments = ExperimentStore(redis, from_kafka=from_kafka)
    counted = {name: LabelRule.of_model(each) for name, each in declared.models.items()}
    outcomes = OutcomeReports(counted, OutcomeStore(redis, from_kafka=from_kafka))
    erasing = ErasureReports(models, ErasureStore(redis))
    app = admin_app(erasures, Reports(spans, experiments), outcomes, erasing)
    return guarded(app, tokens, metrics)


def _callers(
    settings: ServeSettings, models: Mapping[str, Rules], metrics: CollectorMetrics
) -> Callers:
    """Return who may send events; those of the transformers' key are of a source of their own."""
    folder = settings.serving_keys
    if folder is None:
        return Callers(models, settings.api_keys)
    proving = with_proofs(models, KeyFile(folder / "signing"), metrics.verified)
    return Callers(proving, settings.api_keys, KeyFile(folder / "key"))


async def _serve(settings: ServeSettings) -> None:
    declared = components.declaration(settings)
    models = components.rules(declared, settings.user_key)
    registry = CollectorRegistry()
    metrics = CollectorMetrics(registry, models)
    redis = components.connect(settings.store, len(declared.models))
    log = RedisLog(redis, declared.ages)
    kafka_log = kafka.log(settings.kafka, declared.ages) if settings.kafka else None
    appends = kafka_log or log
    commits = {name: GroupCommit(appends, name) for name in models}
    # A log in Kafka has no such bound: its relay waits.
    has_room = (lambda: True) if kafka_log else log.takes_impressions
    callers, quotas = _callers(settings, models, metrics), Quotas(settings.quotas)
    events = Events(callers, commits, metrics, takes_impressions=has_room, quotas=quotas)
    watch = Watch(log, settings.store, metrics, redis, kafka_log)
    stop = servers.on_signal()

    async def unready() -> str:
        return servers.STOPS if stop.is_set() else watch.problem

    public = servers.build(public_app(events), settings.grace, metrics.refused_connection)
    beside = servers.Beside(
        {
            settings.metrics_port: probes_app(registry, lambda: True, unready),
            settings.admin_port: _admin(settings, declared, redis, appends, metrics),
        },
        settings.grace,
    )
    listener = listen(settings.port)
    try:
        if not await components.wait_until_durable(watch.check, stop):
            return
        gc.collect()
        gc.freeze()  # imported modules stay alive; full collections would delay requests
        gc.set_threshold(GARBAGE)
        watching = asyncio.create_task(watch.run(stop))
        serving = asyncio.create_task(public.serve([listener]))
        logger.info("events on %d, admin on %d", settings.port, settings.admin_port)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({serving}, timeout=settings.drain)
        public.should_exit = True
        await serving
        stop.set()  # the server may have ended by itself
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    finally:
        await beside.stop()
        listener.close()
        if kafka_log is not None:
            await asyncio.to_thread(kafka_log.close)
        await redis.aclose()
