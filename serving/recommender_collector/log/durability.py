"""Durability of what a Redis acknowledges."""

from __future__ import annotations

from collections.abc import Mapping

from redis.asyncio import Redis
from redis.exceptions import ResponseError

REMEDY = (
    "set `appendonly yes` and `appendfsync always`, or, if the store writes to a majority or to "
    "disk before it answers by other means, RECOMMENDER_STORE_DURABLE=true"
)


class NotDurable(Exception):  # noqa: N818 - a state, not an error
    """The store would lose acknowledged events when it is killed; the message has the remedy."""


async def check_durability(redis: Redis) -> None:
    """Check the settings of the store.

    Raises:
        NotDurable: it does not sync each write before it answers, or does not show its settings.
    """
    try:
        found = await redis.config_get("appendonly", "appendfsync", "maxmemory-policy")
    except ResponseError as error:
        raise NotDurable(f"the store does not show its settings ({error}): {REMEDY}") from None
    if problem := fault(found):
        raise NotDurable(problem)


def fault(settings: Mapping[str, str]) -> str | None:
    """Return the fault of the settings and the remedy, or None."""
    for name, needed in (("appendonly", "yes"), ("appendfsync", "always")):
        if settings.get(name) != needed:
            return f"the store has {name} {settings.get(name)!r}: {REMEDY}"
    policy = settings.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        return f"the store has maxmemory-policy {policy!r}, which removes events: set noeviction"
    return None
