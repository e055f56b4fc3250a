"""The append-only file of a real Redis no longer has an erased user."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError

from recommender_collector.store import rewriting
from recommender_collector.store.rewriting import Rewriting
from tests.redis_server import RedisServer

USER = b"u-7f3a9c1e55d0"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def _rewritten(redis: Redis) -> None:
    while True:
        found = await redis.info("persistence")
        if not found["aof_rewrite_in_progress"] and not found["aof_rewrite_scheduled"]:
            return


def _traces(folder: Path) -> list[str]:
    return [
        path.name for path in (folder / "appendonlydir").iterdir() if USER in path.read_bytes()
    ]


async def test_a_rewrite_follows_an_erasure_and_ends_what_the_file_has_of_the_user(
    server: RedisServer, redis: Redis, tmp_path: Path
) -> None:
    clock = Clock()
    found = Rewriting(redis, clock)
    await redis.xadd("{shop}:events", {"e": USER})
    await redis.delete("{shop}:events")
    assert _traces(tmp_path)
    assert not await found.step(), "nobody was erased"
    found.want()
    assert not await found.step(), "the log is not trimmed yet"
    clock.now += rewriting.WAIT_SECONDS
    assert await found.step()
    await _rewritten(redis)
    assert _traces(tmp_path) == []
    found.want()
    clock.now += rewriting.LEAST_SECONDS - 1
    assert not await found.step(), "once an hour"
    clock.now += 1
    assert await found.step()
    await _rewritten(redis)


async def test_a_store_that_allows_none_is_asked_once_an_hour(
    server: RedisServer, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await redis.acl_setuser("writer", enabled=True, nopass=True, keys=["*"], categories=["+@read"])
    client: Redis = Redis.from_url(server.url, username="writer", password="x")
    clock = Clock()
    found = Rewriting(client, clock)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            found.want()
            clock.now += rewriting.WAIT_SECONDS
            await found.step()
    await client.aclose()
    (told,) = caplog.messages
    assert "allow INFO and BGREWRITEAOF" in told


async def test_a_store_that_does_not_answer_is_asked_again(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    found = Rewriting(redis, clock)
    found.want()
    clock.now += rewriting.WAIT_SECONDS

    async def loading(*_: object) -> None:
        raise BusyLoadingError

    with monkeypatch.context() as patch:
        patch.setattr(redis, "info", loading)
        assert not await found.step()
    assert await found.step()
    await _rewritten(redis)
