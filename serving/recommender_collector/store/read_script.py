"""A script that only reads: a user who may not write the keys may run it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError


class ReadScript:
    """Runs a script with EVALSHA_RO; for EVALSHA Redis wants the right to write all keys."""

    def __init__(self, redis: Redis, text: str) -> None:
        self._redis = redis
        self._text = text
        self._sha1 = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, keys: Sequence[str], args: Sequence[str]) -> Any:
        """Run it, and load it first if the store does not know it.

        Raises:
            RedisError, OSError: the store does not answer.
        """
        words = (self._sha1, len(keys), *keys, *args)
        try:
            return await self._redis.execute_command("EVALSHA_RO", *words)  # type: ignore[no-untyped-call]
        except NoScriptError:
            await self._redis.script_load(self._text)
            return await self._redis.execute_command("EVALSHA_RO", *words)  # type: ignore[no-untyped-call]
