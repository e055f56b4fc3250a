"""From the log to the online store."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from recommender_collector.domain.declaration import Model
from recommender_collector.domain.effects import Effect, effects, number
from recommender_collector.domain.events import Erasure, Event, Unreadable, entry_of
from recommender_collector.domain.trends import Trends
from recommender_collector.log.port import EventLog, Record
from recommender_collector.metrics import Target, WriterMetrics
from recommender_collector.store.users import OnlineStore, newest

logger = logging.getLogger(__name__)
RECORDS = 50  # of a read; a record has up to 1000 events
WAIT_SECONDS = 1.0


class OnlineWriter:
    """Applies the log of one model to the store.

    The offset is stored with the effects, in one transaction. So every event has its effect
    exactly once, whichever process is killed, and also with several writers.
    """

    target = Target.STORE

    def __init__(
        self,
        log: EventLog,
        store: OnlineStore,
        name: str,
        model: Model,
        metrics: WriterMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._log = log
        self._store = store
        self._name = name
        self._values = model.values
        self._trends = Trends(model)
        self._metrics = metrics
        self._clock = clock

    async def step(self, wait: float = WAIT_SECONDS) -> str:
        """Apply what is new, waiting up to `wait` seconds for it; return the offset.

        Raises:
            LogUnavailable, RedisError, OSError: the store does not answer; step again.
        """
        offset = await self._store.offset(self._name)
        records = await self._log.read(self._name, offset, RECORDS, wait)
        for record in records:
            if not await self._one(record, offset):
                break  # another writer; the next step starts from its offset
            offset = record.offset
            self._metrics.reached(self._name, self.target, seconds_of(offset))
        if not records:
            self._metrics.reached(self._name, self.target, self._clock())
        return offset

    async def _one(self, record: Record, before: str) -> bool:
        found, users, events, unreadable = self._read(record.lines)
        gains = self._trends.gains(events)
        if not await self._store.apply(self._name, found, before, record.offset, users, gains):
            return False
        self._metrics.wrote(self._name, self.target, len(events), unreadable)
        return True

    def _read(self, lines: Sequence[bytes]) -> tuple[list[Effect], set[int], list[Event], int]:
        found: list[Effect] = []
        users: set[int] = set()
        events: list[Event] = []
        unreadable = 0
        for line in lines:
            try:
                entry = entry_of(line)
            except Unreadable as error:
                unreadable += 1
                logger.warning("%s: a line of the log is left out: %s", self._name, error)
                continue
            if isinstance(entry, Erasure):
                user = number(entry.user)
                users.add(user)
                found = [each for each in found if each.user != user]
            else:
                events.append(entry)
                found.extend(effects(entry, self._values))
        return newest(found), users, events, unreadable


def seconds_of(offset: str) -> float:
    """Return the time of an offset, in seconds since 1970."""
    return int(offset.partition("-")[0]) / 1000
