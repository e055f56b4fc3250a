"""Reads what users did lately, in one round trip."""

from __future__ import annotations

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from recommender_serving.domain.types import SessionEvent
from recommender_serving.store.layout import LIMITS, Set, interaction, key

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

    async def recent(self, user: int) -> tuple[SessionEvent, ...]:
        """Return the newest interactions of the user, oldest first; none of an unknown user.

        Raises:
            StoreError: see there.
        """
        name = key(self._model, user, Set.RECENT)
        try:
            # The newest ones: a set may hold more for a moment.
            found = await self._redis.zrange(name, -LIMITS[Set.RECENT], -1, withscores=True)
            return tuple(interaction(member, score) for member, score in found)
        except (RedisError, OSError, ValueError, TypeError) as error:
            raise StoreError(f"{type(error).__name__}: {str(error)[:200]}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
