"""From the log to the online store."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence

from recommender_collector.collector_metrics import Target, WriterMetrics
from recommender_collector.domain.declaration import Model
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.lines import Unreadable, entry_of
from recommender_collector.domain.popularity_trends import PopularityTrends
from recommender_collector.domain.store_updates import StoreUpdate, number, store_updates
from recommender_collector.experiments.experiment import Experiment
from recommender_collector.log.event_log import EventLog, Record
from recommender_collector.log.positions import lines_of, offset_of, within
from recommender_collector.store.user_store import OnlineStore, newest
from recommender_collector.writers.experiment_writer import Experiments
from recommender_collector.writers.outcome_writer import Gain, OutcomeCounter

logger = logging.getLogger(__name__)
RECORDS = 50  # of a read; a record has up to 1000 events
#: Of a part of a record, which is one script of Redis: what a reader may have to wait for. An
#: event alone may have as many items.
ITEMS, EVENTS = 500, 100
WAIT_SECONDS = 1.0


class OnlineWriter:
    """Applies the log of one model to the store.

    The place in the log is stored with the effects, in one transaction. So every event has its
    effect exactly once, whichever process is killed, and also with several writers. A record with
    many effects is applied in parts, so that no reader of the store waits for all of them.
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
        self._trends = PopularityTrends(model)
        self._metrics = metrics
        self._experiments = experiments
        self._outcomes = outcomes
        self._clock = clock

    async def step(self, wait: float = WAIT_SECONDS) -> str:
        """Apply what is new, waiting up to `wait` seconds for it; return the offset.

        Raises:
            LogUnavailable, RedisError, OSError: the store does not answer; step again.
        """
        place, experiments = await self._experiments.start()
        offset = offset_of(place)
        records = await self._log.read(self._name, offset, RECORDS, wait)
        for record in records:
            applied = await self._one(record, place, experiments)
            if applied is None:
                break  # another writer; the next step starts from its place
            offset = place = record.offset
            experiments = applied
            self._metrics.reached(self._name, self.target, seconds_of(offset))
        if not records:
            self._metrics.reached(self._name, self.target, self._clock())
        return offset

    async def _one(
        self, record: Record, before: str, experiments: dict[str, Experiment]
    ) -> dict[str, Experiment] | None:
        """Apply the rest of a record; return the experiments after it.

        Returns:
            None if another writer was faster.
        """
        at = millis_of(record.offset)
        done = lines_of(before, record.offset)
        for entries, end in self._parts(record.lines, done):
            is_last = end == len(record.lines)
            after = record.offset if is_last else within(before, record.offset, end)
            found = await self._part(entries, at, before, after, experiments)
            if found is None:
                return None
            self._metrics.wrote(self._name, self.target, 0, end - done - len(entries))
            before, done, experiments = after, end, found
        return experiments

    async def _part(
        self,
        entries: Sequence[Event | Erasure],
        at: int,
        before: str,
        after: str,
        experiments: dict[str, Experiment],
    ) -> dict[str, Experiment] | None:
        """Apply entries between two places; return the experiments after them, or None."""
        found, erased = self._effects(entries)
        events = [each for each in entries if isinstance(each, Event)]
        gains = self._trends.gains(events)
        turn = await self._experiments.turn(before, experiments, at, entries, found)
        gain: Gain | None = Gain()
        if self._outcomes is not None:
            gain = await self._outcomes.turn(before, after, at, entries)
        if turn is None or gain is None:
            return None
        commands = [*turn.commands, *gain.commands]
        if not await self._store.apply(self._name, found, before, after, erased, gains, commands):
            return None
        self._metrics.wrote(self._name, self.target, len(events), 0)
        self._metrics.exposed(self._name, turn.counted, turn.ignored)
        self._metrics.damaged(self._name, turn.damaged)
        self._metrics.predicted(self._name, gain.counted, gain.ignored)
        return turn.experiments

    def _parts(
        self, lines: Sequence[bytes], start: int
    ) -> Iterator[tuple[list[Event | Erasure], int]]:
        """Yield the entries of each part, and the number of lines up to its end."""
        entries: list[Event | Erasure] = []
        items = 0
        for place in range(start, len(lines)):
            try:
                entry = entry_of(lines[place])
            except Unreadable as error:
                logger.warning("%s: a line of the log is left out: %s", self._name, error)
                continue
            own = len(entry.items) if isinstance(entry, Event) else 0
            if entries and (items + own > ITEMS or len(entries) == EVENTS):
                yield entries, place
                entries, items = [], 0
            entries.append(entry)
            items += own
        yield entries, len(lines)

    def _effects(self, entries: Sequence[Event | Erasure]) -> tuple[list[StoreUpdate], set[int]]:
        """Return the effects on users, and the users to forget before."""
        found: list[StoreUpdate] = []
        erased: set[int] = set()
        for entry in entries:
            if isinstance(entry, Erasure):
                user = number(entry.user)
                erased.add(user)
                found = [each for each in found if each.user != user]
            else:
                found.extend(store_updates(entry, self._acts))
        return newest(found), erased


def millis_of(offset: str) -> int:
    """Return the time of an offset, in milliseconds since 1970."""
    return int(offset.partition("-")[0])


def seconds_of(offset: str) -> float:
    """Return the time of an offset, in seconds since 1970."""
    return millis_of(offset) / 1000
