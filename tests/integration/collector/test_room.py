"""A store that is nearly full makes room by itself, in a real Redis."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from recommender_collector.collector_metrics import WriterMetrics
from recommender_collector.domain.events import Event
from recommender_collector.domain.lines import Line, Lines, digest, line_of
from recommender_collector.log.event_log import LogBusy
from recommender_collector.log.redis_log import RedisLog, stream
from recommender_collector.store.eviction import FULL_OF_SEEN, FULL_OF_USERS, Room
from recommender_collector.store.experiment_store import ExperimentStore
from recommender_collector.store.user_store import OnlineStore
from recommender_collector.writers.experiment_writer import Experiments
from recommender_collector.writers.online_writer import OnlineWriter
from recommender_contract.events import Kind
from recommender_contract.ids import hashed
from recommender_contract.online_store import Set, key
from tests.unit.recommender_collector.collector_samples import model

AT = 1_795_000_000_000
DAY = 86_400
AGES = {"shop": DAY, "news": DAY}


class Desk:
    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.removed: Counter[Set] = Counter()
        self.now = 0.0
        self.room = Room(redis, AGES, self._count, lambda: self.now)

    def _count(self, name: Set, sets: int) -> None:
        self.removed[name] += sets

    async def users(self, name: Set, count: int, start: int = 0, of: str = "shop") -> None:
        """Sets of 100 items; the users were idle for longer, the smaller their number is."""
        pipeline = self.redis.pipeline(transaction=False)
        for user in range(start, start + count):
            pipeline.zadd(key(of, user, name), {str(10**17 + n): AT for n in range(100)})
            pipeline.expire(key(of, user, name), 1000 + user)
        await pipeline.execute()

    async def left(self, name: Set, of: str = "shop") -> list[int]:
        """The users who have a set of this name."""
        found = self.redis.scan_iter(f"{{{of}}}:user:*:{name}", count=1000)
        return sorted([int(each.split(b":")[2]) async for each in found])

    async def used(self) -> int:
        return int((await self.redis.info("memory"))["used_memory"])

    async def is_of(self, share: float) -> None:
        """Let what is used be this share of the memory."""
        await self.redis.config_set("maxmemory", int(await self.used() / share))

    async def share(self) -> float:
        memory = await self.redis.info("memory")
        return float(memory["used_memory"] / memory["maxmemory"])


@pytest.fixture
async def desk(redis: Redis) -> Desk:
    await redis.config_set("zset-max-listpack-entries", 512)
    return Desk(redis)


async def test_what_was_shown_goes_first_and_the_oldest_of_it(desk: Desk) -> None:
    for name in (Set.SEEN, Set.BOUGHT, Set.RECENT):
        await desk.users(name, 2000)
    await desk.is_of(0.76)
    await desk.room.step()
    assert await desk.share() < FULL_OF_SEEN
    left = await desk.left(Set.SEEN)
    assert 0 < len(left) < 2000
    assert desk.removed == {Set.SEEN: 2000 - len(left)}
    # A sample says who is old: those who stay are newer, not each of them.
    gone = set(range(2000)) - set(left)
    assert sum(gone) / len(gone) + 500 < sum(left) / len(left)
    assert len(await desk.left(Set.BOUGHT)) == len(await desk.left(Set.RECENT)) == 2000


async def test_a_store_with_room_and_one_without_a_limit_keep_all(desk: Desk) -> None:
    await desk.users(Set.SEEN, 200)
    await desk.room.step()
    await desk.is_of(0.65)
    await desk.room.step()
    assert len(await desk.left(Set.SEEN)) == 200


async def test_other_sets_go_when_nothing_shown_is_left_and_what_was_bought_goes_last(
    desk: Desk,
) -> None:
    await desk.users(Set.SEEN, 100)
    for name in (Set.RECENT, Set.DISLIKED, Set.BOUGHT):
        await desk.users(name, 3000)
    await desk.is_of(0.95)
    await desk.room.step()
    assert await desk.share() < FULL_OF_USERS
    assert await desk.left(Set.SEEN) == []
    assert 0 < len(await desk.left(Set.RECENT)) < 3000
    assert len(await desk.left(Set.DISLIKED)) == len(await desk.left(Set.BOUGHT)) == 3000


async def test_users_are_not_forgotten_for_what_waits_in_the_log(desk: Desk) -> None:
    await desk.users(Set.RECENT, 300)
    await desk.users(Set.SEEN, 300)
    for n in range(200):
        await desk.redis.xadd(stream("shop"), {b"e": b"x" * 100_000 + str(n).encode()})
    await desk.is_of(0.95)
    await desk.room.step()
    assert await desk.left(Set.SEEN) == []
    assert len(await desk.left(Set.RECENT)) == 300
    assert desk.room.is_full


async def test_one_model_does_not_displace_the_users_of_another(desk: Desk) -> None:
    await desk.users(Set.SEEN, 300, of="news")  # idle for longer than all of the others
    await desk.users(Set.SEEN, 3000, start=5000)
    await desk.is_of(0.8)
    await desk.room.step()
    assert await desk.share() < FULL_OF_SEEN
    # The last stretch of a scan may be a few keys of any model.
    assert len(await desk.left(Set.SEEN, "news")) > 280


async def test_sets_of_others_in_the_same_store_stay(desk: Desk) -> None:
    await desk.users(Set.SEEN, 300, of="foreign")
    await desk.is_of(0.9)
    await desk.room.step()
    assert len(await desk.left(Set.SEEN, "foreign")) == 300


async def test_keys_are_not_scanned_again_at_once_for_what_is_not_there(desk: Desk) -> None:
    await desk.users(Set.RECENT, 10)
    await desk.is_of(0.75)

    async def scans() -> int:
        await desk.room.step()
        found = await desk.redis.info("commandstats")
        return int(found["cmdstat_scan"]["calls"])

    first = await scans()
    assert await scans() == first
    desk.now += 60
    assert await scans() > first


def _writer(redis: Redis, room: Room, log: RedisLog) -> OnlineWriter:
    return OnlineWriter(
        log,
        OnlineStore(redis, DAY, lambda: room.is_full),
        "shop",
        model(),
        WriterMetrics(CollectorRegistry(), ["shop"]),
        Experiments(ExperimentStore(redis), "shop", model()),
    )


def _shown(user: int, count: int = 60) -> list[Event]:
    items = tuple(f"a product with a long name {user} {n}" for n in range(20))
    return [Event(f"{user} {n}", Kind.IMPRESSION, f"u{user}.{n}", items, AT) for n in range(count)]


async def _fill(log: RedisLog, redis: Redis) -> int:
    """Append impressions until the store refuses by itself; return the number of records."""
    for number in range(10_000):
        entries = _shown(number)
        try:
            await log.append(
                "shop", Lines.of(Line(digest(each.id), line_of(each)) for each in entries)
            )
        except LogBusy:
            return number
    raise AssertionError("it was never full")


async def test_a_store_at_its_limit_with_unapplied_records_recovers_without_a_person(
    desk: Desk,
) -> None:
    redis, log = desk.redis, RedisLog(desk.redis, AGES)
    limit = await desk.used() + 24 * 1024 * 1024
    await redis.config_set("maxmemory", limit)
    writer = _writer(redis, desk.room, log)
    await log.append("shop", Lines.of(_purchases(0)))
    await writer.step()
    assert await _fill(log, redis) > 100
    await desk.is_of(1.01)
    with pytest.raises(LogBusy):
        await log.append("shop", Lines.of(_purchases(1)))

    peak, records = 0.0, (await log.backlog())["shop"].records
    while records:
        await desk.room.step()
        await log.trim("shop", await writer.step(0.01))
        peak = max(peak, await desk.share())
        records = (await log.backlog())["shop"].records
    assert peak < 1.1  # what is applied above the limit is small
    await desk.room.step()
    assert await desk.share() < 0.8
    assert await log.append("shop", Lines.of(_purchases(1))) == []
    await writer.step()
    assert await redis.zcard(key("shop", hashed("buyer0"), Set.BOUGHT)) == 1
    assert await redis.zcard(key("shop", hashed("buyer1"), Set.BOUGHT)) == 1


def _purchases(number: int) -> list[Line]:
    bought = Event(f"b{number}", Kind.PURCHASE, f"buyer{number}", ("tea",), AT, 1.0)
    return [Line(digest(bought.id), line_of(bought))]


async def test_a_store_that_does_not_answer_does_not_end_the_watch(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender_collector.store.eviction.LOOK_SECONDS", 0.001)
    stop, looks = asyncio.Event(), 0

    async def step() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            stop.set()
        raise ConnectionError

    monkeypatch.setattr(desk.room, "step", step)
    await desk.room.run(stop)
    assert looks == 3
