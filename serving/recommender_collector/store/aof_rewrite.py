"""Lets the store forget erased users in its append-only file as well.

The file keeps every command until Redis rewrites it, which a store with little traffic may not do
for weeks.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from recommender_collector.store.erasure_store import ErasureStore
from recommender_runtime.aio import pause

logger = logging.getLogger(__name__)
LOOK_SECONDS = 10.0
#: After an erasure: until then the log is trimmed behind it.
WAIT_SECONDS = 60.0
#: Between two rewrites, each of which copies the store's memory to the disk.
LEAST_SECONDS = 3600.0


class Rewriting:
    """Rewrites the append-only file after erasures, at most once an hour."""

    def __init__(
        self,
        redis: Redis,
        clock: Callable[[], float] = time.monotonic,
        models: Iterable[str] = (),
    ) -> None:
        """`models` are those of the store, which all have one file."""
        self._redis = redis
        self._store = ErasureStore(redis)
        self._models = tuple(models)
        self._clock = clock
        self._wanted: float | None = None
        self._last: float | None = None

    def want(self) -> None:
        """Rewrite it in a while, because a user was erased."""
        self._wanted = self._clock()

    def lacks(self) -> None:
        """Rewrite it in a while, if nothing has asked for that: a killed writer forgot it."""
        if self._wanted is None:
            self.want()

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set."""
        while not stop.is_set():
            await pause(stop, LOOK_SECONDS)
            await self.step()

    async def step(self) -> bool:
        """Start a rewrite if it is time for one; return whether it was started."""
        now = self._clock()
        if self._wanted is None or now < self._wanted + WAIT_SECONDS:
            return False
        if self._last is not None and now < self._last + LEAST_SECONDS:
            return False
        try:
            if (await self._redis.info("persistence")).get("aof_enabled"):
                await self._redis.bgrewriteaof()  # type: ignore[no-untyped-call]
            await self._store.rewritten(self._models, int(time.time() * 1000))
        except ResponseError as error:
            if "in progress" in str(error):  # it may have begun before the erasure
                return False
            logger.warning(
                "the append-only file of the store keeps erased users until its next rewrite: "
                "the writer may not start one (%s); allow INFO and BGREWRITEAOF",
                str(error)[:100],
            )
        except (RedisError, OSError):
            return False
        self._wanted, self._last = None, now
        return True
