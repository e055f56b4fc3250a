"""From the log to the online store."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from recommender_collector.domain.declaration import Model
from recommender_collector.domain.effects import Effect, effects, number
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.experiments import Experiment
from recommender_collector.domain.lines import Unreadable, entry_of
from recommender_collector.domain.trends import Trends
from recommender_collector.log.port import EventLog, Record
from recommender_collector.metrics import Target, WriterMetrics
from recommender_collector.store.users import OnlineStore, newest
from recommender_collector.writers.experiments import Experiments
from recommender_collector.writers.outcomes import Gain, OutcomeCounter

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
        experiments: Experiments,
        outcomes: OutcomeCounter | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._log = log
        self._store = store
        self._name = name
        self._acts = model.acts
        self._trends = Trends(model)
        self._metrics = metrics
        self._experiments = experiments
        self._outcomes = outcomes
        self._clock = clock

    async def step(self, wait: float = WAIT_SECONDS) -> str:
        """Apply what is new, waiting up to `wait` seconds for it; return the offset.

        Raises:
            LogUnavailable, RedisError, OSError: the store does not answer; step again.
        """
        offset, experiments = await self._experiments.start()
        records = await self._log.read(self._name, offset, RECORDS, wait)
        for record in records:
            applied = await self._one(record, offset, experiments)
            if applied is None:
                break  # another writer; the next step starts from its offset
            offset, experiments = record.offset, applied
            self._metrics.reached(self._name, self.target, seconds_of(offset))
        if not records:
            self._metrics.reached(self._name, self.target, self._clock())
        return offset

    async def _one(
        self, record: Record, before: str, experiments: dict[str, Experiment]
    ) -> dict[str, Experiment] | None:
        """Apply a record; return the experiments after it, or None if another writer did."""
        entries, unreadable = self._read(record.lines)
        found, erased = self._effects(entries)
        events = [each for each in entries if isinstance(each, Event)]
        gains = self._trends.gains(events)
        at = millis_of(record.offset)
        turn = await self._experiments.turn(before, experiments, at, entries, found)
        gain: Gain | None = Gain()
        if self._outcomes is not None:
            gain = await self._outcomes.turn(before, record.offset, at, entries)
        if turn is None or gain is None:
            return None
        commands = [*turn.commands, *gain.commands]
        if not await self._store.apply(
            self._name, found, before, record.offset, erased, gains, commands
        ):
            return None
        self._metrics.wrote(self._name, self.target, len(events), unreadable)
        self._metrics.exposed(self._name, turn.counted, turn.ignored)
        self._metrics.damaged(self._name, turn.damaged)
        self._metrics.predicted(self._name, gain.counted, gain.ignored)
        return turn.experiments

    def _read(self, lines: Sequence[bytes]) -> tuple[list[Event | Erasure], int]:
        entries: list[Event | Erasure] = []
        unreadable = 0
        for line in lines:
            try:
                entries.append(entry_of(line))
            except Unreadable as error:
                unreadable += 1
                logger.warning("%s: a line of the log is left out: %s", self._name, error)
        return entries, unreadable

    def _effects(self, entries: Sequence[Event | Erasure]) -> tuple[list[Effect], set[int]]:
        """Return the effects on users, and the users to forget before."""
        found: list[Effect] = []
        erased: set[int] = set()
        for entry in entries:
            if isinstance(entry, Erasure):
                user = number(entry.user)
                erased.add(user)
                found = [each for each in found if each.user != user]
            else:
                found.extend(effects(entry, self._acts))
        return newest(found), erased


def millis_of(offset: str) -> int:
    """Return the time of an offset, in milliseconds since 1970."""
    return int(offset.partition("-")[0])


def seconds_of(offset: str) -> float:
    """Return the time of an offset, in seconds since 1970."""
    return millis_of(offset) / 1000
