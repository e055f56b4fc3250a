"""Write events to the online store and to files until a signal."""

from __future__ import annotations

import asyncio
import functools
import logging

import uvloop
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from recommender_collector.api.admin_routes import probes_app
from recommender_collector.collector_metrics import WriterMetrics
from recommender_collector.domain.declaration import Declaration
from recommender_collector.log.redis_log import RedisLog
from recommender_collector.process import components, kafka, servers
from recommender_collector.process.settings import WriteSettings
from recommender_collector.store.aof_rewrite import Rewriting
from recommender_collector.store.erasure_store import ErasureStore, Report, in_aof
from recommender_collector.store.eviction import Room
from recommender_collector.store.experiment_store import ExperimentStore
from recommender_collector.store.outcome_store import OutcomeStore
from recommender_collector.store.user_store import OnlineStore
from recommender_collector.writers.experiment_writer import Experiments
from recommender_collector.writers.file_batches import Batches
from recommender_collector.writers.lake_writer import LakeWriter, Pace
from recommender_collector.writers.online_writer import OnlineWriter
from recommender_collector.writers.outcome_writer import OutcomeCounter
from recommender_collector.writers.runner import Runner, Writer
from recommender_runtime.http_server import listen

logger = logging.getLogger(__name__)
STALL_SECONDS = 120.0
GRACE_SECONDS = 5.0


def run(settings: WriteSettings) -> None:
    """Write until SIGTERM or SIGINT.

    Raises:
        DeclarationError, SettingsError, NotDurable: see there.
        OSError: a port is in use, or the folder cannot be created.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_write(settings))


def _runners(
    settings: WriteSettings,
    declared: Declaration,
    redis: Redis,
    metrics: WriterMetrics,
    rewriting: Rewriting,
    room: Room,
) -> list[Runner]:
    """Return the runners of the writers of each model; they read the log in the store."""
    log = RedisLog(redis, declared.ages)
    store = OnlineStore(redis, settings.keep_seconds, lambda: room.is_full)
    pace = Pace(seconds=settings.flush_seconds, keep_seconds=settings.files_keep_seconds)
    runners: list[Runner] = []
    for name, model in declared.models.items():
        experiments = Experiments(ExperimentStore(redis), name, model)
        outcomes = OutcomeCounter(OutcomeStore(redis), name, model)
        online = OnlineWriter(log, store, name, model, metrics, experiments, outcomes)
        writers: list[Writer] = [online]
        if settings.files is not None:
            files = Batches(settings.files / name)
            tell = functools.partial(_tell, ErasureStore(redis), rewriting, name)
            lake = LakeWriter(
                log, files, name, model, metrics, pace, erased=rewriting.want, tell=tell
            )
            writers.append(lake)
        runners.append(Runner(log, name, writers, metrics))
    return runners


async def _tell(
    store: ErasureStore, rewriting: Rewriting, model: str, report: Report
) -> int | None:
    """Keep how far erasures are; return since when the append-only file may have their users."""
    since = in_aof(report, await store.put(model, report))
    if since is not None:
        rewriting.lacks()
    return since


async def _write(settings: WriteSettings) -> None:
    declared = components.declaration(settings)
    registry = CollectorRegistry()
    metrics = WriterMetrics(registry, declared.models, settings.targets)
    redis = components.connect(settings.store, len(declared.models))
    rewriting = Rewriting(redis, models=declared.models)
    room = Room(redis, declared.ages, metrics.forgot)
    runners = _runners(settings, declared, redis, metrics, rewriting, room)
    kafka_log = settings.kafka
    relays = kafka.relays(kafka_log, redis, declared.ages, metrics) if kafka_log else {}
    log = RedisLog(redis, declared.ages)  # of which a relay removes nothing
    runners += [Runner(log, name, [relay], metrics) for name, relay in relays.items()]
    stop = servers.on_signal()
    waiting = True

    def alive() -> bool:
        # A restart would not bring back a store that it waits for.
        return waiting or all(each.idle_seconds < STALL_SECONDS for each in runners)

    async def unready() -> str:
        return servers.STOPS if stop.is_set() else ""

    probed = servers.build(probes_app(registry, alive, unready), GRACE_SECONDS)
    serving = asyncio.create_task(probed.serve([listen(settings.metrics_port)]))
    try:
        check = functools.partial(components.check_store, redis, settings.store)
        if await components.wait_until_durable(check, stop):
            logger.info("writing %s", ", ".join(declared.models))
            async with asyncio.TaskGroup() as group:
                group.create_task(room.run(stop))
                group.create_task(rewriting.run(stop))
                for each in runners:
                    group.create_task(each.run(stop))
                waiting = False
    finally:
        probed.should_exit = True
        await serving
        for relay in relays.values():
            await relay.close()
        await redis.aclose()
