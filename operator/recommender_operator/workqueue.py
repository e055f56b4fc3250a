"""A bounded queue of keys that hold each thing once.

What is added while it waits is not added again; what is added while it is worked on is worked on
once more afterwards. So a burst of events costs one reconcile, and no key is ever in two workers'
hands. Errors are repeated with growing, jittered pauses, and a key may be asked for at a later
time.

`Schedule` is the pure part, with the time passed in; `WorkQueue` adds waiting and workers.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

#: First and longest pause after an error, in seconds; it doubles in between.
BACKOFF_BASE = 1.0
BACKOFF_LIMIT = 300.0
#: Share by which a pause is shortened or lengthened, so that failing keys spread out.
JITTER = 0.2


class Schedule(Generic[K]):
    """Which key is due when. All times are seconds of one monotonic clock."""

    def __init__(self, limit: int, jitter: Callable[[], float] = random.random) -> None:
        """`limit` bounds the keys known; `jitter` gives numbers in 0..1."""
        self._limit = limit
        self._jitter = jitter
        self._due: dict[K, float] = {}
        self._again: dict[K, float] = {}
        self._working: dict[K, float] = {}
        self._failures: dict[K, int] = {}

    def add(self, key: K, at: float) -> bool:
        """Ask for a key at a time; return False if there is no room for a new one."""
        if key in self._working:
            self._again[key] = min(at, self._again.get(key, at))
            return True
        if key in self._due:
            self._due[key] = min(at, self._due[key])
            return True
        if len(self._due) + len(self._working) >= self._limit:
            return False
        self._due[key] = at
        return True

    def take(self, now: float) -> tuple[K, float] | None:
        """Return the key that has been due for longest, and since when; None if none is due."""
        if not self._due:
            return None
        key = min(self._due, key=self._due.__getitem__)
        at = self._due[key]
        if at > now:
            return None
        del self._due[key]
        self._working[key] = now
        return key, at

    def done(self, key: K, now: float, *, again_after: float | None = None) -> None:
        """End the work on a key that succeeded; look again after so many seconds."""
        self._failures.pop(key, None)
        self._release(key, None if again_after is None else now + again_after)

    def failed(self, key: K, now: float) -> float:
        """End the work on a key that failed; return the pause before it is repeated, in s."""
        count = self._failures.get(key, 0) + 1
        self._failures[key] = count
        pause = min(BACKOFF_LIMIT, BACKOFF_BASE * 2.0 ** min(count - 1, 30))
        pause *= 1 - JITTER + 2 * JITTER * self._jitter()
        # An event in the meantime does not cut the pause short: it would undo the backoff.
        if key in self._again:
            self._again[key] = now + pause
        self._release(key, now + pause)
        return pause

    def _release(self, key: K, at: float | None) -> None:
        del self._working[key]
        again = self._again.pop(key, None)
        times = [t for t in (at, again) if t is not None]
        if times:
            self._due[key] = min(times)

    def next_due(self) -> float | None:
        """Return when the next key is due; None if none is waiting."""
        return min(self._due.values(), default=None)

    def overdue(self, now: float) -> float:
        """Return for how long the key that has been due for longest waits, in seconds."""
        at = self.next_due()
        return max(0.0, now - at) if at is not None else 0.0

    def longest_work(self, now: float) -> float:
        """Return for how long the key worked on for longest is, in seconds."""
        return max((now - start for start in self._working.values()), default=0.0)

    def depth(self, now: float) -> int:
        """Return how many keys are due."""
        return sum(1 for at in self._due.values() if at <= now)

    @property
    def working(self) -> int:
        """How many keys are being worked on."""
        return len(self._working)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observer(Generic[K]):
    """What is told about the queue: waits in seconds, failures, and keys without room."""

    waited: Callable[[float], None] = lambda _: None
    dropped: Callable[[K], None] = lambda _: None


class WorkQueue(Generic[K]):
    """Workers that take keys from a schedule, each key by one worker at a time."""

    def __init__(
        self,
        work: Callable[[K], Awaitable[float | None]],
        *,
        limit: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        observer: Observer[K] | None = None,
    ) -> None:
        """`work` returns after how many seconds to look again, if at all, or raises."""
        self.schedule: Schedule[K] = Schedule(limit, jitter)
        self._work = work
        self._clock = clock
        self._observer = observer or Observer()
        self._changed = asyncio.Event()

    def add(self, key: K, after: float = 0.0) -> None:
        """Ask for a key, now or in so many seconds; from the event loop's thread."""
        if not self.schedule.add(key, self._clock() + after):
            logger.error("the work queue is full: %s waits for the next resync", key)
            self._observer.dropped(key)
            return
        self._changed.set()

    async def run(self, workers: int) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._worker())

    async def _worker(self) -> None:
        while True:
            taken = self.schedule.take(self._clock())
            if taken is None:
                await self._wait()
                continue
            key, due = taken
            self._observer.waited(max(0.0, self._clock() - due))
            await self._one(key)
            self._changed.set()

    async def _one(self, key: K) -> None:
        try:
            again = await self._work(key)
        except Exception:
            pause = self.schedule.failed(key, self._clock())
            logger.exception("reconciling %s failed; again in %.1f s", key, pause)
        except BaseException:
            self.schedule.done(key, self._clock())
            raise
        else:
            self.schedule.done(key, self._clock(), again_after=again)

    async def _wait(self) -> None:
        """Wait until something changes or the next key is due."""
        self._changed.clear()
        due = self.schedule.next_due()
        # Wake at least now and then: a clock that is moved by hand gives no other sign.
        timeout = 1.0 if due is None else min(1.0, max(0.0, due - self._clock()))
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return
