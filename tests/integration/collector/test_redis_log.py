"""The log in a real Redis."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from recommender_collector.domain.events import Erasure
from recommender_collector.domain.lines import Line, Lines, digest, line_of
from recommender_collector.log import durability
from recommender_collector.log.durability import NotDurable
from recommender_collector.log.event_log import START, LogBusy, LogUnavailable
from recommender_collector.log.redis_log import READ_BYTES, SETS, RedisLog
from recommender_collector.log.redis_log import ids as prefix
from tests.redis_server import RedisServer


def lines(*ids: str) -> Lines:
    return Lines.of(Line(digest(id_), id_.encode()) for id_ in ids)


async def _stored(log: RedisLog, model: str = "shop") -> list[bytes]:
    return [line for record in await log.read(model, START, 100, 0.01) for line in record.lines]


@pytest.fixture
def log(redis: Redis) -> RedisLog:
    return RedisLog(redis, {"shop": 86_400, "news": 400})


async def test_new_ids_are_appended_and_known_ones_are_told(log: RedisLog) -> None:
    assert await log.append("shop", lines("a", "b", "a")) == [2]
    assert await log.append("shop", lines("b", "c", "a", "c")) == [0, 2, 3]
    assert await log.append("shop", lines("a", "b", "c")) == [0, 1, 2]
    assert await _stored(log) == [b"a", b"b", b"c"]


async def test_the_ids_of_models_are_apart(log: RedisLog) -> None:
    await log.append("shop", lines("a"))
    assert await log.append("news", lines("a")) == []
    assert await _stored(log, "news") == [b"a"]


async def test_a_batch_of_the_greatest_size_is_appended(log: RedisLog) -> None:
    many = [f"id-{number}" for number in range(1000)]
    assert await log.append("shop", lines(*many)) == []
    assert await log.append("shop", lines(*many)) == list(range(1000))
    with pytest.raises(ValueError, match="1001 lines"):
        await log.append("shop", lines(*many, "x"))


async def test_concurrent_repeats_are_stored_once(log: RedisLog) -> None:
    same = lines(*(f"id-{number}" for number in range(50)))
    found = await asyncio.gather(*(log.append("shop", same) for _ in range(20)))
    assert sorted(map(len, found)) == [0, *[50] * 19]
    assert len(await _stored(log)) == 50


async def test_ids_are_forgotten_after_their_age_and_not_before(
    log: RedisLog, redis: Redis
) -> None:
    await log.append("news", lines("a"))
    (key,) = [name async for name in redis.scan_iter(prefix("news") + "*")]
    length = 400 // SETS
    left = await redis.ttl(key)
    assert 400 <= left <= 400 + length
    # The id was remembered in an earlier set, up to the oldest that is still looked at.
    number = int(key.rsplit(b":", 1)[1])
    for back, found in ((1, [0]), (SETS, [0]), (SETS + 1, [])):
        await redis.rename(key, f"{prefix('news')}{number - back}")
        key = f"{prefix('news')}{number - back}".encode()
        assert await log.append("news", lines("a")) == found


async def test_records_are_read_after_an_offset_and_trimmed(log: RedisLog) -> None:
    for id_ in ("a", "b", "c"):
        await log.append("shop", lines(id_))
    first, second, third = await log.read("shop", START, 100, 0.01)
    assert [r.lines for r in await log.read("shop", first.offset, 1, 0.01)] == [(b"b",)]
    await log.trim("shop", second.offset)
    assert await log.read("shop", START, 100, 0.01) == [third]
    await log.trim("shop", third.offset)
    assert await log.read("shop", START, 100, 0.01) == []
    await log.append("shop", lines("d"))
    assert [r.lines for r in await log.read("shop", third.offset, 1, 0.01)] == [(b"d",)]


async def test_a_reader_is_woken_by_an_append(log: RedisLog) -> None:
    reading = asyncio.create_task(log.read("shop", START, 10, 30))
    await asyncio.sleep(0)
    await log.append("shop", lines("a"))
    async with asyncio.timeout(60):
        assert [record.lines for record in await reading] == [(b"a",)]


async def test_a_full_store_is_busy_and_still_takes_erasures(log: RedisLog, redis: Redis) -> None:
    await log.append("shop", lines("a"))
    used = (await redis.info("memory"))["used_memory"]
    await redis.config_set("maxmemory", int(used / 0.9))
    assert (await log.backlog())["shop"].memory > 0.85
    with pytest.raises(LogBusy, match="full"):
        await log.append("shop", lines("b"))
    await log.append_erasure("shop", line_of(Erasure("ada")))
    await redis.config_set("maxmemory", used * 10)
    assert (await log.backlog())["shop"].records == 2
    assert await log.append("shop", lines("b")) == []


async def test_a_store_above_its_memory_is_busy(log: RedisLog, redis: Redis) -> None:
    await redis.config_set("maxmemory", 1_000_000)  # below what Redis needs by itself
    with pytest.raises(LogBusy, match="full"):
        await log.append("shop", lines("b"))
    await redis.config_set("maxmemory", 0)
    assert await log.append("shop", lines("b")) == []


async def test_a_killed_store_is_unavailable_and_keeps_what_it_acknowledged(
    log: RedisLog, server: RedisServer
) -> None:
    await log.append("shop", lines("a", "b"))
    server.kill()
    with pytest.raises(LogUnavailable):
        await log.append("shop", lines("c"))
    server.start()
    assert await log.append("shop", lines("b", "c")) == [0]
    assert await _stored(log) == [b"a", b"b", b"c"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("appendfsync", "everysec"), ("appendonly", "no"), ("maxmemory-policy", "allkeys-lru")],
)
async def test_a_store_that_may_lose_events_is_refused(
    redis: Redis, name: str, value: str
) -> None:
    await durability.check_durability(redis)
    await redis.config_set(name, value)
    with pytest.raises(NotDurable, match=name):
        await durability.check_durability(redis)


async def test_a_store_that_hides_its_settings_is_refused(redis: Redis) -> None:
    await redis.acl_setuser("default", enabled=True, nopass=True, commands=["+@all", "-config"])
    with pytest.raises(NotDurable, match="RECOMMENDER_STORE_DURABLE"):
        await durability.check_durability(redis)


async def test_a_store_that_forgot_the_script_is_given_it_again(
    log: RedisLog, redis: Redis
) -> None:
    await log.append("shop", lines("a"))
    await redis.script_flush()
    assert await log.append("shop", lines("a", "b")) == [0]


async def test_a_store_that_hangs_is_unavailable_in_time(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Redis = Redis.from_url(server.url, socket_timeout=60)
    log = RedisLog(client, {"shop": 86_400})
    await log.append("shop", lines("a"))
    with server.hanging(), monkeypatch.context() as impatient:
        impatient.setattr(log._held["shop"], "_seconds", 0.3)
        with pytest.raises(LogUnavailable, match="does not answer"):
            await log.append("shop", lines("b"))
    # The hanging store may have got it: then the id is known.
    assert await log.append("shop", lines("b", "c")) in ([], [0])
    assert await _stored(log) == [b"a", b"b", b"c"]
    await client.aclose()


def texts(*sizes: int) -> list[Lines]:
    """Records of one line of these sizes."""
    return [Lines.of([Line(digest(str(n)), b"x" * size)]) for n, size in enumerate(sizes)]


async def test_a_read_is_bounded_by_bytes_and_passes_a_record_that_is_larger(
    log: RedisLog,
) -> None:
    half = READ_BYTES // 2
    sizes = [half, half, 1, 3 * READ_BYTES, 1, *[half] * 7]
    for each in texts(*sizes):
        await log.append("shop", each)
    found, after = [], START
    while records := await log.read("shop", after, 4, 0.01):
        found.append([len(each.lines[0]) for each in records])
        after = records[-1].offset
    assert found == [
        [half, half], [1], [3 * READ_BYTES], [1, half], [half, half], [half, half], [half, half],
    ]  # fmt: skip


async def test_a_read_is_bounded_by_records(log: RedisLog) -> None:
    for each in texts(1, 2, 3):
        await log.append("shop", each)
    assert [len(r.lines[0]) for r in await log.read("shop", START, 2, 0.01)] == [1, 2]


async def test_impressions_wait_before_the_memory_is_full(log: RedisLog, redis: Redis) -> None:
    for number in range(50):  # beside which connections are small
        await redis.set(f"large{number}", b"x" * 1_000_000)
    used = (await redis.info("memory"))["used_memory"]
    await redis.config_set("maxmemory", int(used / 0.82))
    await log.backlog()
    assert not log.takes_impressions()
    assert await log.append("shop", lines("a")) == []
    await redis.config_set("maxmemory", used * 10)
    await log.backlog()
    assert log.takes_impressions()
