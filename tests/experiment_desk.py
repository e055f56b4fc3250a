"""A store of experiments and its writers."""

from __future__ import annotations

import time
from typing import Any

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from recommender_collector.api.experiment_routes import shown
from recommender_collector.collector_metrics import WriterMetrics
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.lines import Line, Lines, digest, line_of
from recommender_collector.experiments.experiment import Spans
from recommender_collector.log.redis_log import RedisLog
from recommender_collector.store.experiment_store import ExperimentStore
from recommender_collector.store.user_store import OnlineStore
from recommender_collector.writers.experiment_writer import Experiments
from recommender_collector.writers.online_writer import OnlineWriter
from tests.experiment_events import EXPERIMENTS
from tests.experiment_oracle import present
from tests.unit.recommender_collector.collector_samples import model

MODEL = model()
SPANS = Spans.of_model(MODEL)
FIRST = EXPERIMENTS[0]
DAY = 86_400


class Desk:
    """A store and two writers of it."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.log = RedisLog(redis, {"shop": DAY})
        self.reader = ExperimentStore(redis)
        self.registry = CollectorRegistry()
        self.writer, self.other = self._writer(self.registry), self._writer(CollectorRegistry())
        self.number = 0

    def _writer(self, registry: CollectorRegistry) -> OnlineWriter:
        experiments = Experiments(ExperimentStore(self.redis), "shop", MODEL)
        metrics = WriterMetrics(registry, ["shop"])
        store = OnlineStore(self.redis, DAY)
        return OnlineWriter(self.log, store, "shop", MODEL, metrics, experiments)

    async def put(self, *entries: Event | Erasure) -> None:
        """Append one record."""
        lines = []
        for entry in entries:
            self.number += 1
            lines.append(Line(digest(str(self.number)), line_of(entry)))
        await self.log.append("shop", Lines.of(lines))

    async def answer(self, name: str = FIRST, detailed: int | None = None) -> list[dict[str, Any]]:
        told = shown(name, await self.reader.read("shop", name, SPANS), detailed)["phases"]
        assert isinstance(told, list)
        return present(told)

    async def watermark(self) -> float:
        return (await self.reader.read("shop", FIRST, SPANS)).watermark

    async def keys(self) -> set[str]:
        return {name.decode() async for name in self.redis.scan_iter("*experiment*")}


def now() -> int:
    return int(time.time() * 1000)
