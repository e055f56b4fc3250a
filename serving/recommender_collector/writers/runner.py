"""Runs the writers of all models until a signal stops them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from redis.exceptions import RedisError

from recommender_collector.collector_metrics import Target, WriterMetrics
from recommender_collector.log.event_log import START, EventLog, LogBusy, LogUnavailable
from recommender_collector.writers.file_batches import BatchesDamaged
from recommender_runtime.aio import pause

logger = logging.getLogger(__name__)
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
TRANSIENT = (LogUnavailable, LogBusy, RedisError, OSError, BatchesDamaged)


class Writer(Protocol):
    """A writer of one model. A step that failed may be repeated."""

    @property
    def target(self) -> Target:
        """Target of the writer."""
        ...

    async def step(self) -> str:
        """Do what is next, or wait for it; return the offset up to which all is written."""
        ...


class Runner:
    """Runs the writers of one model, and trims the log behind the slowest."""

    def __init__(
        self,
        log: EventLog,
        name: str,
        writers: Sequence[Writer],
        metrics: WriterMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._name = name
        self._writers = writers
        self._metrics = metrics
        self._clock = clock
        self._reached: dict[Target, str] = {writer.target: START for writer in writers}
        self._trimmed = START
        self._last = {writer.target: clock() for writer in writers}

    @property
    def idle_seconds(self) -> float:
        """The longest time since a writer finished a step or failed in one."""
        return self._clock() - min(self._last.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set."""
        self._last = {writer.target: self._clock() for writer in self._writers}
        async with asyncio.TaskGroup() as group:
            for writer in self._writers:
                group.create_task(self._ended(writer, stop))

    async def _ended(self, writer: Writer, stop: asyncio.Event) -> None:
        """Keep a writer; a bug ends the others, whose client of Redis may lose a cancellation."""
        try:
            await self._keep(writer, stop)
        finally:
            stop.set()

    async def _keep(self, writer: Writer, stop: asyncio.Event) -> None:
        failures = 0
        while not stop.is_set():
            try:
                self._reached[writer.target] = await writer.step()
                await self._trim()
                failures = 0
            except TRANSIENT as error:
                self._metrics.failed(self._name, writer.target)
                wait = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
                failures += 1
                logger.warning("%s: %s: %s; again in %s s", self._name, writer.target, error, wait)
                await pause(stop, wait)
            self._last[writer.target] = self._clock()

    async def _trim(self) -> None:
        through = min(self._reached.values(), key=order)
        # It moves back if the store lost its data; without a trim the log would then grow.
        if through not in (START, self._trimmed):
            await self._log.trim(self._name, through)
            self._trimmed = through


def order(offset: str) -> tuple[int, int]:
    """Return a key that sorts offsets."""
    milliseconds, _, number = offset.partition("-")
    return int(milliseconds), int(number)
