"""From the log to the files that training reads."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from recommender_collector.domain import erased_users, rows
from recommender_collector.domain.declaration import Model
from recommender_collector.domain.events import Erasure, Event, Id
from recommender_collector.domain.lines import Unreadable, entry_of
from recommender_collector.log.port import START, EventLog
from recommender_collector.metrics import Target, WriterMetrics
from recommender_collector.writers import batches
from recommender_collector.writers.batches import Batches

logger = logging.getLogger(__name__)
RECORDS = 50  # of a read
WAIT_SECONDS = 1.0
STALE_SECONDS = 3600.0  # age of unfinished folders of killed writers, which are removed


@dataclass(frozen=True, slots=True)
class Pace:
    """When a batch is full: of events, items or bytes, or so many seconds after its first."""

    events: int = 50_000
    #: An item may become a row of its own, of up to 500 bytes while a batch is written.
    items: int = 200_000
    #: Of the lines. What is read of them takes up to 15 times as much.
    size: int = 8 * 1024 * 1024
    seconds: float = 300.0
    #: Batches are kept for this long; None: forever.
    keep_seconds: float | None = None


@dataclass(slots=True)
class _Batch:
    """What was read since the last commit."""

    number: int
    offset: str
    events: list[Event] = field(default_factory=list)
    quarantined: list[bytes] = field(default_factory=list)
    #: Milliseconds of the record of each erasure.
    erased: dict[Id, int] = field(default_factory=dict)
    items: int = 0
    size: int = 0
    since: float | None = None


class LakeWriter:
    """Writes the log of one model as micro-batches.

    The newest batch holds the offset, so that a batch and its offset appear together. Whatever is
    killed, each event is in exactly one batch. The log is trimmed only after that.
    """

    target = Target.LAKE

    def __init__(
        self,
        log: EventLog,
        files: Batches,
        name: str,
        model: Model,
        metrics: WriterMetrics,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._log = log
        self._files = files
        self._name = name
        self._model = model
        self._metrics = metrics
        self._pace = pace or Pace()
        self._clock = clock
        self._batch: _Batch | None = None
        self._through = START  # on disk

    async def step(self, wait: float = WAIT_SECONDS) -> str:
        """Read what is new, waiting up to `wait` seconds; write a batch if it is full.

        Returns:
            The offset up to which everything is on disk.

        Raises:
            LogUnavailable, BatchesDamaged, OSError: step again.
        """
        batch = self._batch
        if batch is None:
            self._batch = batch = await asyncio.to_thread(self._open)
        records = await self._log.read(self._name, batch.offset, RECORDS, wait)
        for record in records:
            for line in record.lines:
                self._take(line, batch, record.offset)
            batch.offset = record.offset
            if batch.since is None:
                batch.since = self._clock()
            if self._is_full(batch, batch.since):
                break  # the next step reads the others again
        now = self._clock()
        if batch.since is not None and self._is_full(batch, now):
            await self.flush()
        if not records and batch.since is None:
            self._metrics.reached(self._name, self.target, now)
        return self._through

    async def flush(self) -> None:
        """Write what was read as a batch, if there is anything.

        Raises:
            OSError: it is not on disk; step again.
        """
        batch, self._batch = self._batch, None
        if batch is None or batch.since is None:
            return
        if not await asyncio.to_thread(self._commit, batch):
            return  # another writer's batch; the next step starts from its offset
        self._through = batch.offset
        self._metrics.wrote(self._name, self.target, len(batch.events), len(batch.quarantined))
        self._metrics.reached(self._name, self.target, _milliseconds(batch.offset) / 1000)

    def _open(self) -> _Batch:
        self._files.sweep(self._clock() - STALE_SECONDS)
        number, offset = self._files.newest()
        self._through = offset or START
        return _Batch(number + 1, self._through)

    def _take(self, line: bytes, batch: _Batch, offset: str) -> None:
        batch.size += len(line)
        try:
            entry = entry_of(line)
        except Unreadable as error:
            text = line[:1000].decode(errors="replace")
            batch.quarantined.append(orjson.dumps({"reason": str(error), "line": text}))
            return
        if isinstance(entry, Erasure):
            batch.erased[entry.user] = _milliseconds(offset)
            batch.events = [each for each in batch.events if each.user != entry.user]
        else:
            batch.events.append(entry)
            batch.items += len(entry.items)

    def _is_full(self, batch: _Batch, now: float) -> bool:
        return (
            len(batch.events) >= self._pace.events
            or batch.items >= self._pace.items
            or batch.size >= self._pace.size
            or now - (batch.since or now) >= self._pace.seconds
            or bool(batch.erased)
        )

    def _commit(self, batch: _Batch) -> bool:
        if batch.erased:  # before the offset moves, so that a crash repeats it
            self._erase(batch)
        done = self._files.commit(
            batch.number,
            batch.offset,
            {
                batches.INTERACTIONS: self._interactions(batch.events),
                batches.EVENTS: [rows.archived(event) for event in batch.events],
                batches.QUARANTINE: batch.quarantined,
            },
        )
        if self._pace.keep_seconds is not None:
            self._files.remove_before(self._clock() - self._pace.keep_seconds)
        return done

    def _interactions(self, events: list[Event]) -> list[bytes]:
        """Return the rows; ingestion refuses two of the same user, item, second and kind."""
        found: dict[tuple[object, ...], bytes] = {}
        for event in events:
            for item, row in zip(event.items, rows.interactions(event, self._model), strict=False):
                key = (event.user, item, event.time // 1000, event.kind)
                found.setdefault(key, row)
        return list(found.values())

    def _erase(self, batch: _Batch) -> None:
        """Remove the rows of users, once lakes can learn of it: a check may read meanwhile."""
        users = batch.erased
        self._files.list_erasures(
            batch.offset, [erased_users.line_of(user, at) for user, at in users.items()]
        )
        column = self._model.mapping.interactions.user
        removed = 0
        for name, field_ in ((batches.INTERACTIONS, column), (batches.EVENTS, "user")):
            removed += self._files.rewrite(
                name,
                lambda line, of=field_: not rows.is_of(line, of, users),  # type: ignore[misc]
            )
        logger.info("%s: %d users erased, %d rows removed", self._name, len(users), removed)


def _milliseconds(offset: str) -> int:
    """Return the time of a record, by the clock of the store."""
    return int(offset.partition("-")[0])
