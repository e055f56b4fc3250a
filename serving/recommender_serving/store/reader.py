"""Reads what the store knows of a user, in one round trip."""

from __future__ import annotations

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from recommender_serving.store.layout import LIMITS, Set, UserState, key, state_of

CONNECTIONS = 16
CONNECT_SECONDS = 0.5


class StoreError(Exception):
    """The store does not answer, or with something else than users."""


class UserReader:
    """Reads the users of one model."""

    def __init__(self, url: str, model: str, password: str | None = None) -> None:
        """Prepare the client; it connects at the first read."""
        # A read that finds no free connection waits, within its caller's time.
        pool = BlockingConnectionPool.from_url(
            url,
            password=password,
            max_connections=CONNECTIONS,
            timeout=CONNECT_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=CONNECT_SECONDS,
        )
        self._redis: Redis = Redis.from_pool(pool)
        self._model = model

    async def read(self, user: int) -> UserState:
        """Return what the store knows of the user; an unknown user has an empty state.

        Raises:
            StoreError: see there.
        """
        pipeline = self._redis.pipeline(transaction=False)
        for name in Set:
            # The newest ones: a set may hold more for a moment.
            name_ = key(self._model, user, name)
            pipeline.zrange(name_, -LIMITS[name], -1, withscores=name is Set.RECENT)
        try:
            recent, seen, bought, disliked = await pipeline.execute()
            return state_of(recent, seen, bought, disliked)
        except (RedisError, OSError, ValueError, TypeError) as error:
            raise StoreError(f"{type(error).__name__}: {str(error)[:200]}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
