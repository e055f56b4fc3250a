"""Room in the store: what is least worth goes before the store is full.

Experiments, outcomes and appends stop at shares of the memory by themselves. The sets of users are
bounded here, together: the writer looks at the memory every second, and removes sets of those who
were idle for longest. What users were shown goes first; what they bought goes last.

Nothing lists users by their last event, which would cost as much as a small set. Redis scans its
keys in no order of time, so each stretch of the scan is a sample, of which the oldest go, as in
Redis's own eviction (https://redis.io/docs/latest/develop/reference/eviction/).
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping

from redis.asyncio import Redis
from redis.exceptions import RedisError

from recommender_collector.log import redis_log
from recommender_contract.online_store import Set
from recommender_runtime.aio import pause

logger = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
#: Share of the store's memory above which what users were shown goes.
FULL_OF_SEEN = 0.7
#: The same for the other sets. Here events that wait in the log and ids that are remembered do not
#: count: they go by themselves, and users are not forgotten for a claim that is full.
FULL_OF_USERS = 0.8
#: What is removed makes so much room, as a share of the memory.
SPARE = 0.02
#: Of the sets of a stretch, those with the least time left.
SHARE_REMOVED = 0.1
STRETCH = 1000  # keys
#: Until keys are scanned again for sets of which there were none.
LAP_SECONDS = 30.0
ORDER = (Set.SEEN, Set.RECENT, Set.DISLIKED, Set.BOUGHT)


class Room:
    """The memory of the store. `ages` are the seconds for which each model's ids are known."""

    def __init__(
        self,
        redis: Redis,
        ages: Mapping[str, int],
        forgotten: Callable[[Set, int], None] = lambda *_: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._buckets = {model: redis_log.bucket(seconds) for model, seconds in ages.items()}
        self._forgotten = forgotten
        self._clock = clock
        self._cursor = 0
        self._none: dict[Set, float] = {}  # when a scan found none
        #: Appends wait, so what users are shown is not written either.
        self.is_full = False

    async def run(self, stop: asyncio.Event) -> None:
        """Keep room until `stop` is set."""
        try:
            while not stop.is_set():
                await self._try()
                await pause(stop, LOOK_SECONDS)
        finally:
            stop.set()  # a bug ends the writers, too

    async def _try(self) -> None:
        try:
            await self.step()
        except (RedisError, OSError) as error:
            logger.warning("the memory of the store is not known: %s", error)

    async def step(self) -> None:
        """Look at the memory, and remove sets until there is room, or none is left.

        Raises:
            RedisError, OSError: the store does not answer.
        """
        for name in ORDER:
            most = FULL_OF_SEEN if name is Set.SEEN else FULL_OF_USERS
            if await self._share(name) < most:
                return
            if self._clock() - self._none.get(name, -math.inf) < LAP_SECONDS:
                continue
            removed = await self._make_room(name, most - SPARE)
            if removed:
                logger.warning("the store is nearly full: %d sets %s removed", removed, name)
                self._forgotten(name, removed)

    async def _make_room(self, name: Set, most: float) -> int:
        """Remove sets of a name until the share is at most `most`; return their number."""
        removed = found = 0
        is_whole = self._cursor == 0
        while True:
            own, gone = await self._stretch(name)
            removed, found = removed + gone, found + own
            if gone and await self._share(name) <= most:
                return removed
            if self._cursor == 0:
                if is_whole and not found:
                    self._none[name] = self._clock()
                    return removed
                is_whole, found = True, 0

    async def _share(self, name: Set) -> float:
        """Return the share of the memory that counts for a set; 0 without a limit."""
        memory = await self._redis.info("memory")
        limit = memory.get("maxmemory", 0)
        if not limit:
            self.is_full = False
            return 0.0
        used = memory["used_memory"]
        self.is_full = used >= redis_log.FULL * limit
        if name is not Set.SEEN and used >= FULL_OF_USERS * limit:
            used -= await self._log()
        return float(used / limit)

    async def _log(self) -> int:
        """Return the bytes of the logs and of the ids of all models."""
        seconds, _ = await self._redis.time()
        pipeline = self._redis.pipeline(transaction=False)
        for model, length in self._buckets.items():
            pipeline.memory_usage(redis_log.stream(model))
            for back in range(redis_log.SETS + 1):
                bucket = int(seconds) // length - back
                pipeline.memory_usage(f"{redis_log.ids(model)}{bucket}")
        return sum(size or 0 for size in await pipeline.execute())

    async def _stretch(self, name: Set) -> tuple[int, int]:
        """Scan further; return how many sets of a name were there, and how many were removed.

        Those of the model with the most, so that one cannot displace the users of another.
        """
        self._cursor, keys = await self._redis.scan(
            self._cursor, match=f"{{*}}:user:*:{name}", count=STRETCH
        )
        models = Counter(model for key in keys if (model := _model(key)) in self._buckets)
        if not models:
            return 0, 0
        ((heaviest, number),) = models.most_common(1)
        own = [key for key in keys if _model(key) == heaviest]
        pipeline = self._redis.pipeline(transaction=False)
        for key in own:
            pipeline.pttl(key)
        left = sorted(zip(await pipeline.execute(), own, strict=True))
        oldest = [key for _, key in left[: max(1, int(SHARE_REMOVED * number))]]
        await self._redis.unlink(*oldest)
        return models.total(), len(oldest)


def _model(key: bytes) -> str:
    found = re.match(rb"\{(.*?)\}:user:", key)
    return found[1].decode(errors="replace") if found else ""
