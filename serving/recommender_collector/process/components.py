"""Build what both commands need from the settings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from recommender_collector.domain.declaration import (
    Declaration,
    DeclarationError,
    parse_declaration,
)
from recommender_collector.domain.pseudonyms import Pseudonyms
from recommender_collector.domain.validation import Rules
from recommender_collector.log import durability
from recommender_collector.log.event_log import LogUnavailable
from recommender_collector.process.settings import (
    FindSettings,
    Settings,
    StoreSettings,
    UsersSettings,
)
from recommender_runtime.aio import pause
from recommender_runtime.settings import SettingsError

logger = logging.getLogger(__name__)
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
RETRY_SECONDS = 1.0


def declaration(settings: Settings | FindSettings | UsersSettings) -> Declaration:
    """Read the declaration.

    Raises:
        DeclarationError: it is missing or invalid.
    """
    try:
        text = settings.declaration.read_bytes()
    except OSError as error:
        raise DeclarationError(f"{settings.declaration} cannot be read: {error}") from None
    return parse_declaration(text)


def rules(declared: Declaration, key: bytes | None) -> dict[str, Rules]:
    """Return the rules of each model.

    Raises:
        SettingsError: a model hashes users, and the key is missing or short.
    """
    pseudonyms = None
    if any(model.hash_users for model in declared.models.values()):
        if key is None:
            raise SettingsError("hashUsers needs a key: set RECOMMENDER_USER_KEY_FILE")
        try:
            pseudonyms = Pseudonyms(key)
        except ValueError as error:
            raise SettingsError(f"RECOMMENDER_USER_KEY_FILE: {error}") from None
    return {
        name: Rules(model, pseudonyms if model.hash_users else None)
        for name, model in declared.models.items()
    }


def connect(store: StoreSettings, models: int) -> Redis:
    """Return a client of the store; it connects when it is used.

    Each of the two writers of a model waits on a connection of its own.
    """
    client: Redis = Redis.from_url(
        store.access.url,
        **store.access.options,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        socket_keepalive=True,
        health_check_interval=30,
        max_connections=64 + 4 * models,
    )
    return client


async def check_store(redis: Redis, store: StoreSettings) -> None:
    """Look whether the store answers, and check its settings.

    Raises:
        NotDurable: see there.
        RedisError, OSError: it does not answer.
    """
    if store.durable:
        await redis.get("recommender")  # any key shows whether it answers
    else:
        await durability.check_durability(redis)


async def wait_until_durable(check: Callable[[], Awaitable[None]], stop: asyncio.Event) -> bool:
    """Repeat a check until what it looks at answers; return False if stopped before.

    Raises:
        NotDurable: see there.
    """
    while not stop.is_set():
        try:
            await check()
            return True
        except (LogUnavailable, RedisError, OSError) as error:
            logger.warning("the log does not answer (%s): waiting", error)
        await pause(stop, RETRY_SECONDS)
    return False
