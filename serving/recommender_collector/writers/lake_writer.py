"""From the log to the files that training reads."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from redis.exceptions import RedisError

from recommender_collector.collector_metrics import Target, WriterMetrics
from recommender_collector.domain import erasure_list
from recommender_collector.domain.declaration import Model
from recommender_collector.log.event_log import START, EventLog
from recommender_collector.store.erasure_store import Report
from recommender_collector.writers import lake_marks
from recommender_collector.writers.file_batches import EVENTS, QUARANTINE, Batches
from recommender_collector.writers.lake_erasure import Erasing
from recommender_collector.writers.micro_batch import MicroBatch
from recommender_collector.writers.recovery import RECOVERED, Found, Recovery

logger = logging.getLogger(__name__)
RECORDS = 50  # of a read
WAIT_SECONDS = 1.0
BUSY_SECONDS = 0.01  # to wait for records while former batches are to be changed
TEND_SECONDS = 0.1  # of erasing between two reads
RETRY_SECONDS = 5.0  # after a former batch could not be changed
LOOK_SECONDS = 60.0  # between two looks at what lakes have read
TELL_SECONDS = 86_400.0
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
    #: Batches are kept for this long, and until all lakes have read them; None: forever.
    keep_seconds: float | None = None


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
        erased: Callable[[], None] = lambda: None,
        tell: Callable[[Report], Awaitable[int | None]] | None = None,
    ) -> None:
        """Write below `files`; call `erased` when erasures of users have ended there.

        `tell` gets how far erasures are, and returns since when the append-only file of the store
        may have users that the files have not.
        """
        self._log = log
        self._files = files
        self._name = name
        self._model = model
        self._metrics = metrics
        self._pace = pace or Pace()
        self._clock = clock
        self._erased = erased
        self._tell = tell
        self._read = 0  # milliseconds since 1970: the log has nothing older that was not read
        self._told: tuple[float, Report] | None = None
        self._has_looked = False
        self._erasing = Erasing(files, model.mapping.interactions.user)
        self._recovery = Recovery(files, model)
        self._batch: MicroBatch | None = None
        self._through = START  # on disk
        self._tend_at = self._look_at = self._tell_at = -math.inf  # by the clock
        #: Times in milliseconds: of the oldest erasure that a lake has not applied, of the newest
        #: list of erasures, and since when the append-only file may have erased users.
        self._lake: int | None = None
        self._listed: int | None = None
        self._aof: int | None = None

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
        wait = min(wait, BUSY_SECONDS) if self._is_busy else wait
        records = await self._log.read(self._name, batch.offset, RECORDS, wait)
        for record in records:
            at = _milliseconds(record.offset)
            for line in record.lines:
                batch.take(line, at)
            batch.offset = record.offset
            if batch.since is None:
                batch.since = self._clock()
            if self._is_full(batch, batch.since):
                break  # the next step reads the others again
        now = self._clock()
        self._read = _milliseconds(batch.offset) if records else int(now * 1000)
        if batch.since is not None and self._is_full(batch, now):
            await self.flush()
        if not records and batch.since is None:
            self._metrics.reached(self._name, self.target, now)
        await self._tend()
        return self._through

    async def flush(self) -> None:
        """Write what was read as a batch, if there is anything.

        Raises:
            OSError: it is not on disk; step again.
        """
        batch, self._batch = self._batch, None
        if batch is None or batch.since is None:
            return
        written = await asyncio.to_thread(self._commit, batch)
        if written is None:
            return  # another writer's batch; the next step starts from its offset
        self._through = batch.offset
        self._metrics.wrote(self._name, self.target, *written)
        self._metrics.reached(self._name, self.target, _milliseconds(batch.offset) / 1000)

    def _open(self) -> MicroBatch:
        self._files.sweep(self._clock() - STALE_SECONDS)
        lake_marks.prepare(self._files.root)
        self._erasing.load()
        self._recovery.settle()
        number, offset = self._files.newest()
        self._through = offset or START
        return MicroBatch(number + 1, self._through)

    def _is_full(self, batch: MicroBatch, now: float) -> bool:
        return (
            len(batch.events) >= self._pace.events
            or batch.items >= self._pace.items
            or batch.size >= self._pace.size
            or now - (batch.since or now) >= self._pace.seconds
            or bool(batch.erased)
        )

    def _commit(self, batch: MicroBatch) -> tuple[int, int] | None:
        """Write a batch; return its numbers of events and of quarantined lines.

        Returns:
            None if another writer was faster.
        """
        if batch.erased:  # before the offset moves, so that a crash repeats it
            self._plan(batch)
            self._look_at = -math.inf  # no lake has applied it
        files = batch.files(self._model)
        if not self._files.commit(batch.number, batch.offset, files):
            return None
        return len(files[EVENTS]), len(files[QUARANTINE])

    def _look(self) -> None:
        """Look how far lakes are; remove what is old and read, and report what is not."""
        now, root = self._clock(), self._files.root
        marks = lake_marks.marks(root)
        self._lake = lake_marks.oldest_erasure(self._files, marks)
        self._listed = lake_marks.listed(self._files)
        unread = 0
        if self._pace.keep_seconds is not None:
            through = min((each.through for each in marks), default=0)
            unread = self._files.remove_before(now - self._pace.keep_seconds, through)
        if unread and now >= self._tell_at:
            self._tell_at = now + TELL_SECONDS
            last = min(marks, key=lambda mark: mark.through, default=None)
            logger.warning(
                "%s: %d folders are older than retentionDays and stay, because %s",
                self._name, unread,
                "no check of a lake has read them" if last is None else
                f"the lake of {root / lake_marks.FOLDER / last.name} has read only those up to "
                f"{last.through}, at {last.at}: check its data, or remove the file if it is gone",
            )  # fmt: skip
        self._metrics.files.unread_batches(self._name, unread)
        self._has_looked = True

    def _plan(self, batch: MicroBatch) -> None:
        """Write down whom to erase, first for the lakes: a check may read meanwhile."""
        users = {user: cut.at for user, cut in batch.erased.items()}
        lines = [erasure_list.line_of(user, at) for user, at in users.items()]
        self._files.list_erasures(batch.offset, lines)
        self._erasing.add(batch.offset, users, batch.number)

    @property
    def _is_busy(self) -> bool:
        """Return whether former batches are to be changed."""
        waits = self._erasing.open > 0 or not self._recovery.is_done
        return waits and self._clock() >= self._tend_at

    async def _tend(self) -> None:
        """Work on former batches for a moment; what waits in the log is read between two.

        Whatever it fails at, it does not keep new batches from being written.
        """
        try:
            if self._clock() >= self._look_at:
                self._look_at = self._clock() + LOOK_SECONDS
                await asyncio.to_thread(self._look)
            if self._is_busy:
                await self._change()
        except Exception as error:
            self._tend_at = self._clock() + RETRY_SECONDS
            self._metrics.failed(self._name, self.target)
            what = f"{type(error).__name__}: {error}"
            logger.warning("%s: a former batch cannot be changed: %s", self._name, what)
        await self._report()
        oldest = (self._erasing.oldest, self._lake, self._aof)
        seconds = ((each or 0) / 1000 for each in oldest)
        self._metrics.files.erasing(self._name, self._erasing.open, *seconds)

    async def _report(self) -> None:
        """Tell how far erasures are, when that has changed and once a minute."""
        if self._tell is None or not self._has_looked:
            return
        users, ended = self._erasing.open, self._erasing.ended
        report = Report(self._read, users, self._erasing.oldest, self._lake, self._listed, ended)
        now = self._clock()
        if self._told is not None:
            at, before = self._told
            if now - at < LOOK_SECONDS and replace(before, through=report.through) == report:
                return
        self._told = now, report
        try:
            self._aof = await self._tell(report)
        except (RedisError, OSError) as error:
            logger.warning("%s: how far erasures are is not known: %s", self._name, error)

    async def _change(self) -> None:
        if self._erasing.open:
            await asyncio.to_thread(self._erasing.advance, TEND_SECONDS)
            if not self._erasing.open:
                self._erased()
            return
        # Not beside an erasure, which covers what is found.
        found = await asyncio.to_thread(self._recovery.find, TEND_SECONDS)
        if found is not None:
            await self.flush()
            self._batch = None
            await asyncio.to_thread(self._recover, found)

    def _recover(self, found: Found) -> None:
        """Write events that were quarantined as a batch of their own, at the same offset."""
        batch = self._open()
        batch.events.extend(found.events)
        files = {**batch.files(self._model), RECOVERED: [found.record()]}
        if self._files.commit(batch.number, batch.offset, files):
            self._recovery.settle()
            self._metrics.files.recovered(self._name, len(found.events))


def _milliseconds(offset: str) -> int:
    """Return the time of a record, by the clock of the store."""
    return int(offset.partition("-")[0])
