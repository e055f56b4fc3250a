"""Accept events until a signal."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging

import uvloop
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from redis.exceptions import RedisError

from recommender_collector.api.admin import Erasures, admin_app, probes
from recommender_collector.api.events import Events, public_app
from recommender_collector.api.experiments import Reports
from recommender_collector.api.outcomes import OutcomeReports
from recommender_collector.domain.experiments import Spans
from recommender_collector.domain.predictions import Rule
from recommender_collector.log import durability
from recommender_collector.log.group_commit import GroupCommit
from recommender_collector.log.port import LogUnavailable
from recommender_collector.log.redis_log import RedisLog
from recommender_collector.metrics import CollectorMetrics
from recommender_collector.process import parts, servers
from recommender_collector.process.settings import ServeSettings, StoreSettings
from recommender_collector.store.experiments import ExperimentStore
from recommender_collector.store.outcomes import OutcomeStore
from recommender_collector.store.users import OnlineStore
from recommender_serving.listening import listen

logger = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
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
    """Looks at the store every second: its memory, its backlog, its settings."""

    def __init__(
        self, log: RedisLog, store: StoreSettings, metrics: CollectorMetrics, redis: Redis
    ) -> None:
        self._log = log
        self._store = store
        self._metrics = metrics
        self._redis = redis
        self.ready = False

    async def run(self) -> None:
        """Look until cancelled."""
        looks = 0
        while True:
            looks += 1
            try:
                if not self._store.durable and looks % SETTINGS_EVERY == 0:
                    await durability.check(self._redis)
                for model, backlog in (await self._log.backlog()).items():
                    self._metrics.backlog(model, backlog.records)
                    self._metrics.memory.set(backlog.memory)
                self.ready = True
            except (LogUnavailable, RedisError, OSError, durability.NotDurable) as error:
                if self.ready:
                    logger.warning("unready: %s", error)
                self.ready = False
            await asyncio.sleep(LOOK_SECONDS)


async def _serve(settings: ServeSettings) -> None:
    declared = parts.declaration(settings)
    models = parts.rules(declared, settings.user_key)
    registry = CollectorRegistry()
    metrics = CollectorMetrics(registry, models)
    redis = parts.connect(settings.store, len(declared.models))
    log = RedisLog(redis, {name: each.max_age_seconds for name, each in declared.models.items()})
    events = Events(models, {name: GroupCommit(log, name) for name in models}, metrics)
    erasures = Erasures(models, log, OnlineStore(redis, settings.keep_seconds), metrics)
    spans = {name: Spans.of(each) for name, each in declared.models.items()}
    reports = Reports(spans, ExperimentStore(redis))
    counted = {name: Rule.of(each) for name, each in declared.models.items()}
    outcomes = OutcomeReports(counted, OutcomeStore(redis))
    watch = Watch(log, settings.store, metrics, redis)
    stop = servers.on_signal()

    async def ready() -> bool:
        return watch.ready and not stop.is_set()

    public = servers.build(public_app(events), settings.grace)
    routes = probes(registry, lambda: True, ready)
    admin = servers.build(admin_app(routes, erasures, reports, outcomes), settings.grace)
    admin_serving = asyncio.create_task(
        admin.serve([listen(settings.admin_port, servers.BACKLOG)])
    )
    listener = listen(settings.port, servers.BACKLOG)
    try:
        if not await parts.wait_until_durable(redis, settings.store, stop):
            return
        gc.collect()
        gc.freeze()  # imported modules stay alive; full collections would delay requests
        gc.set_threshold(GARBAGE)
        watching = asyncio.create_task(watch.run())
        serving = asyncio.create_task(public.serve([listener]))
        logger.info("events on %d, admin on %d", settings.port, settings.admin_port)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({serving}, timeout=settings.drain)
        public.should_exit = True
        await serving
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    finally:
        admin.should_exit = True
        await admin_serving
        listener.close()
        await redis.aclose()
