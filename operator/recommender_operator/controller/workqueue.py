"""A bounded work queue that holds each key once.

Adding a waiting key has no effect; adding a key in work repeats the work afterwards. So a burst of
events triggers one reconcile, and no two workers have the same key. Errors are retried with
increasing, jittered pauses, and a key can be added for a later time. `Schedule` selects the next
key; `WorkQueue` has the workers.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic

from recommender_operator.controller.schedule import K, Schedule

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observer(Generic[K]):
    """Callbacks: the wait of a key in seconds, and keys that were dropped."""

    waited: Callable[[float], None] = lambda _: None
    dropped: Callable[[K], None] = lambda _: None


class WorkQueue(Generic[K]):
    """Workers that take keys from a schedule; only one worker has a key at a time."""

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
        """`work` returns the seconds until the key is due again, or None, or raises.

        With `group`, groups share the workers fairly; without, all keys are in one group that may
        use all workers.
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
        self._taking = asyncio.Lock()

    def add(self, key: K, after: float = 0.0) -> None:
        """Add a key, due after a number of seconds; call it in the event loop's thread."""
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
            key, due = await self._taken()
            self._observer.waited(max(0.0, self._clock() - due))
            await self._one(key)
            self._changed.set()

    async def _taken(self) -> tuple[K, float]:
        """Return the next key and its due time.

        Only one idle worker waits for it, so that a change does not wake all of them for one key.
        """
        async with self._taking:
            while (taken := self.schedule.take(self._clock())) is None:
                await self._wait()
            return taken

    async def _one(self, key: K) -> None:
        try:
            again = await self._work(key)
        except Exception:
            pause = self.schedule.failed(key, self._clock())
            logger.exception("reconciling %s failed; retry in %.1f s", key, pause)
        except BaseException:
            self.schedule.done(key, self._clock())
            raise
        else:
            self.schedule.done(key, self._clock(), again_after=again)

    async def _wait(self) -> None:
        """Wait until something changes or the next key is due."""
        self._changed.clear()
        due = self.schedule.next_change()
        # Wake up periodically, because a clock that tests control sends no signal.
        timeout = 1.0 if due is None else min(1.0, max(0.0, due - self._clock()))
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return
