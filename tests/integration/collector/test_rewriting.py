"""The append-only file of a real Redis no longer has an erased user."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError

from recommender_collector.store import aof_rewrite
from recommender_collector.store.aof_rewrite import Rewriting
from recommender_collector.store.erasure_store import ErasureStore, Report, in_aof
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
    clock.now += aof_rewrite.WAIT_SECONDS
    assert await found.step()
    await _rewritten(redis)
    assert _traces(tmp_path) == []
    found.want()
    clock.now += aof_rewrite.LEAST_SECONDS - 1
    assert not await found.step(), "once an hour"
    clock.now += 1
    assert await found.step()
    await _rewritten(redis)


async def test_what_a_killed_writer_forgot_is_asked_for_once_and_its_time_is_kept(
    redis: Redis,
) -> None:
    clock, store = Clock(), ErasureStore(redis)
    found = Rewriting(redis, clock, ["shop", "news"])
    ended = Report(2, listed=1, ended=1)
    assert in_aof(ended, await store.put("shop", ended)) == 1
    for _ in range(4):  # the writer says so again and again
        found.lacks()
        clock.now += aof_rewrite.WAIT_SECONDS / 4
    assert await found.step()
    await _rewritten(redis)
    for model, expected in (("shop", ended), ("news", None)):
        report, at = await store.read(model)
        assert report == expected
        assert at > 1
    assert in_aof(ended, await store.put("shop", ended)) is None


async def test_a_report_of_another_release_is_none(redis: Redis) -> None:
    await redis.hset("{shop}:erasures", "report", '{"through": 1, "unknown": 2}')  # type: ignore[misc]
    assert await ErasureStore(redis).read("shop") == (None, 0)


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
            clock.now += aof_rewrite.WAIT_SECONDS
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
    clock.now += aof_rewrite.WAIT_SECONDS

    async def loading(*_: object) -> None:
        raise BusyLoadingError

    with monkeypatch.context() as patch:
        patch.setattr(redis, "info", loading)
        assert not await found.step()
    assert await found.step()
    await _rewritten(redis)
