"""A bounded queue of keys that hold each thing once.

What is added while it waits is not added again; what is added while it is worked on is worked on
once more afterwards. So a burst of events costs one reconcile, and no key is ever in two workers'
hands. Errors are repeated with growing, jittered pauses, and a key may be asked for at a later
time. `Schedule` chooses the next key; `WorkQueue` adds waiting and workers.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic

from recommender_operator.schedule import K, Schedule

logger = logging.getLogger(__name__)


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
        workers: int,
        group: Callable[[K], Hashable] | None = None,
        limit: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        observer: Observer[K] | None = None,
    ) -> None:
        """`work` returns after how many seconds to look again, if at all, or raises.

        With `group` the workers are shared fairly; without, all keys are of one group that may
        hold every worker.
        """
        self.schedule: Schedule[K] = (
            Schedule(limit, jitter)
            if group is None
            else Schedule(limit, jitter, group=group, workers=workers)
        )
        self._workers = workers
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

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
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
        due = self.schedule.next_change()
        # Wake at least now and then: a clock that is moved by hand gives no other sign.
        timeout = 1.0 if due is None else min(1.0, max(0.0, due - self._clock()))
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return
