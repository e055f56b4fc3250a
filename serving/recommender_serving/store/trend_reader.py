"""Reads what is popular now."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from recommender_contract.online_store import ALL, TREND_ITEMS, TREND_SEGMENTS, decayed, trends
from recommender_serving.store.user_reader import CONNECT_SECONDS, NO_OPTIONS, StoreError

#: Decayed events by item.
Counts = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Trends:
    """Decayed events of all users, and by segment."""

    overall: Counts = field(default_factory=dict)
    segments: Mapping[str, Counts] = field(default_factory=dict)


class TrendReader:
    """Reads the trends of one model; nobody waits for it."""

    def __init__(
        self,
        url: str,
        model: str,
        options: Mapping[str, Any] = NO_OPTIONS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare the client, with options of `Access`; it connects at the first read."""
        self._redis: Redis = Redis.from_url(
            url,
            **options,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=CONNECT_SECONDS,
        )
        self._key = trends(model)
        self._clock = clock

    async def read(self) -> Trends:
        """Return the trends at this moment.

        Raises:
            StoreError: see there.
        """
        try:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.smembers(self._key)
            (found,) = await pipeline.execute()
            segments = sorted(each.decode() for each in found)[:TREND_SEGMENTS]
            pipeline = self._redis.pipeline(transaction=False)
            for name in (ALL, *segments):
                pipeline.zrange(f"{self._key}:{name}", -TREND_ITEMS, -1, withscores=True)
            lists = await pipeline.execute()
            now = self._clock()
            overall, *others = (
                {int(item): decayed(score, now) for item, score in each} for each in lists
            )
        except (RedisError, OSError, ValueError, TypeError) as error:
            raise StoreError(f"{type(error).__name__}: {str(error)[:200]}") from error
        return Trends(overall, dict(zip(segments, others, strict=True)))

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()
