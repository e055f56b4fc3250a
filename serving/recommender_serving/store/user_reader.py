"""Reads what users did, in one round trip."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from recommender_contract.online_store import LIMITS, Hide, Set, key
from recommender_serving.domain.types import NOTHING, Past, SessionEvent
from recommender_serving.store.sessions import interaction

CONNECTIONS = 16
NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})
CONNECT_SECONDS = 0.5
READS = 128  # at a time, with those that nobody waits for any more


class StoreError(Exception):
    """The store does not answer, or with something else than users."""


@dataclass(frozen=True, slots=True)
class User:
    """A user: the newest interactions, oldest first, and the items to leave out."""

    recent: tuple[SessionEvent, ...] = ()
    past: Past = NOTHING


class UserReader:
    """Reads the users of one model; `hide` names the items to leave out of answers."""

    def __init__(
        self,
        url: str,
        model: str,
        options: Mapping[str, Any] = NO_OPTIONS,
        hide: Collection[Hide] = (),
    ) -> None:
        """Prepare the client, with options of `Access`; it connects at the first read."""
        # A read that finds no free connection waits, within its caller's time.
        pool = BlockingConnectionPool.from_url(
            url,
            **options,
            max_connections=CONNECTIONS,
            timeout=CONNECT_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=CONNECT_SECONDS,
        )
        self._redis: Redis = Redis.from_pool(pool)
        self._model = model
        self._interacted = Hide.INTERACTED in hide
        self._sets = [each.set for each in Hide if each in hide and each is not Hide.INTERACTED]
        self._reads: set[asyncio.Task[User]] = set()

    @property
    def hides(self) -> bool:
        """True if it reads items to leave out."""
        return self._interacted or bool(self._sets)

    async def read(self, user: int) -> User:
        """Return the user; an empty one if nothing is known.

        A read continues when its caller is cancelled. Otherwise the client would close the
        connection, and a store whose connections take longer than any caller waits would never
        be read again.

        Raises:
            StoreError: see there; or too many reads are not answered.
        """
        if len(self._reads) >= READS:
            raise StoreError(f"{READS} reads are not answered yet")
        reading = asyncio.create_task(self._read(user))
        self._reads.add(reading)
        reading.add_done_callback(self._ended)
        return await asyncio.shield(reading)

    def _ended(self, reading: asyncio.Task[User]) -> None:
        self._reads.discard(reading)
        if not reading.cancelled():
            reading.exception()  # is no news to whoever stopped to wait

    async def _read(self, user: int) -> User:
        pipeline = self._redis.pipeline(transaction=False)
        for name in (Set.RECENT, *self._sets):
            # The newest ones: a set may hold more for a moment.
            start, scored = -LIMITS[name], name is Set.RECENT
            pipeline.zrange(key(self._model, user, name), start, -1, withscores=scored)
        try:
            found, *members = await pipeline.execute()
            recent = tuple(interaction(member, score) for member, score in found)
            items = {
                name: frozenset(map(int, own))
                for name, own in zip(self._sets, members, strict=True)
            }
        except (RedisError, OSError, ValueError, TypeError) as error:
            raise StoreError(f"{type(error).__name__}: {str(error)[:200]}") from error
        if self._interacted:
            items[Set.RECENT] = frozenset(event.item for event in recent)
        unwanted = items.pop(Set.DISLIKED, frozenset())
        return User(recent, Past(frozenset().union(*items.values()), unwanted))

    async def close(self) -> None:
        """Close the connections after the reads have ended, each in its own time."""
        await asyncio.gather(*self._reads, return_exceptions=True)
        await self._redis.aclose()
