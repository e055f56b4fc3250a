"""A record with many effects is applied in parts, each exactly once, in a real Redis."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from recommender_collector.collector_metrics import WriterMetrics
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.lines import Line, Lines, digest, line_of
from recommender_collector.log.positions import offset_key, part_key
from recommender_collector.log.redis_log import RedisLog
from recommender_collector.store.experiment_store import ExperimentStore
from recommender_collector.store.user_store import OnlineStore
from recommender_collector.writers.experiment_writer import Experiments
from recommender_collector.writers.online_writer import EVENTS, ITEMS, OnlineWriter
from recommender_contract.events import Kind
from recommender_contract.ids import hashed
from recommender_contract.online_store import LIMITS, Set, key, trends
from tests.unit.recommender_collector.collector_samples import model

AT = 1_795_000_000_000
CLICK = Event("e", Kind.CLICK, "ada", ("tea",), AT)
SHOWN = Event("e", Kind.IMPRESSION, "ada", tuple(f"i{n}" for n in range(ITEMS)), AT)


class Killed(BaseException):
    """The writer is killed."""


class Parts(OnlineStore):
    """A store that counts what its scripts write; the writer is killed after some of them."""

    def __init__(self, redis: Redis, survives: int = 1_000_000) -> None:
        super().__init__(redis, 86_400)
        self.effects: list[int] = []
        self._survives = survives

    async def apply(self, model: str, effects: Any, *others: Any, **more: Any) -> bool:
        if len(self.effects) == self._survives:
            raise Killed
        self.effects.append(len(effects))
        return await super().apply(model, effects, *others, **more)


class Desk:
    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.log = RedisLog(redis, {"shop": 86_400})
        self.number = 0

    def writer(self, store: OnlineStore) -> OnlineWriter:
        metrics = WriterMetrics(CollectorRegistry(), ["shop"])
        experiments = Experiments(ExperimentStore(self.redis), "shop", model())
        return OnlineWriter(self.log, store, "shop", model(), metrics, experiments)

    async def put(self, *entries: Event | Erasure) -> None:
        lines = []
        for entry in entries:
            self.number += 1
            lines.append(Line(digest(str(self.number)), line_of(entry)))
        await self.log.append("shop", Lines.of(lines))

    async def state(self) -> dict[str, Any]:
        """Everything that the writer has written."""
        found: dict[str, Any] = {}
        for name in (Set.RECENT, Set.SEEN, Set.BOUGHT):
            for user in ("ada", "eve"):
                of = key("shop", hashed(user), name)
                found[of] = await self.redis.zrange(of, 0, -1, withscores=True)
        of = f"{trends('shop')}:all"
        for item, score in await self.redis.zrange(of, 0, -1, withscores=True):
            found[item.decode()] = pytest.approx(score)
        found["offset"] = await self.redis.get(offset_key("shop"))
        found["part"] = await self.redis.get(part_key("shop"))
        return found


@pytest.fixture
def desk(redis: Redis) -> Desk:
    return Desk(redis)


def _entries() -> list[Event | Erasure]:
    """Events of two users, of whom one is erased in the middle; each item is clicked often."""
    acts = [
        CLICK._replace(user=("ada", "eve")[n % 2], items=(f"i{n % 7}",), time=AT + n * 1000)
        for n in range(5 * EVENTS)
    ]
    acts[3 * EVENTS + 7] = CLICK._replace(kind=Kind.PURCHASE, items=("pot",))
    middle = 2 * EVENTS + EVENTS // 2
    return [*acts[:middle], Erasure("ada"), *acts[middle:]]


async def test_no_script_has_more_effects_than_an_event_may_have(desk: Desk) -> None:
    store = Parts(desk.redis)
    shown = [SHOWN._replace(user=f"u{n}", time=AT + n) for n in range(20)]
    await desk.put(*shown, *(CLICK._replace(user=f"u{n}") for n in range(400)))
    await desk.writer(store).step()
    assert max(store.effects) <= ITEMS
    assert len(store.effects) == 20 + 400 // EVENTS
    assert await desk.redis.zcard(key("shop", hashed("u19"), Set.SEEN)) == LIMITS[Set.SEEN]


@pytest.mark.parametrize("survives", range(7))
async def test_a_writer_that_is_killed_within_a_record_leaves_each_event_applied_once(
    desk: Desk, server: Any, survives: int
) -> None:
    await desk.put(CLICK)
    await desk.put(*_entries())
    await desk.put(CLICK._replace(time=AT + 5))
    with pytest.raises(Killed):
        await desk.writer(Parts(desk.redis, survives)).step()
    await desk.writer(Parts(desk.redis)).step()
    found = await desk.state()
    await desk.redis.delete(offset_key("shop"))  # from the start, without a kill
    async for name in desk.redis.scan_iter("{shop}:user:*"):
        await desk.redis.delete(name)
    async for name in desk.redis.scan_iter(f"{trends('shop')}*"):
        await desk.redis.delete(name)
    await desk.writer(Parts(desk.redis)).step()
    assert await desk.state() == found
    assert found["part"] is None


async def test_the_offset_is_that_of_a_record_which_is_applied_whole(desk: Desk) -> None:
    await desk.put(CLICK)
    await desk.put(*_entries())
    first, second = await desk.log.read("shop", "0-0", 10, 0.01)
    with pytest.raises(Killed):
        await desk.writer(Parts(desk.redis, 3)).step()
    assert await desk.redis.get(offset_key("shop")) == first.offset.encode()
    part = await desk.redis.get(part_key("shop"))
    assert part == f"{first.offset} {second.offset} {2 * EVENTS}".encode()


async def test_a_record_goes_on_where_another_writer_is(desk: Desk) -> None:
    await desk.put(*_entries())
    with pytest.raises(Killed):
        await desk.writer(Parts(desk.redis, 2)).step()
    late = desk.writer(Parts(desk.redis))
    (record,) = await desk.log.read("shop", "0-0", 1, 0.01)
    assert await late._one(record, "0-0", {}) is None  # it had started before
    other = Parts(desk.redis)
    await desk.writer(other).step()
    assert len(other.effects) == 4  # of six


async def test_the_part_of_an_earlier_offset_does_not_count(desk: Desk) -> None:
    await desk.put(*_entries())
    with pytest.raises(Killed):
        await desk.writer(Parts(desk.redis, 2)).step()
    (record,) = await desk.log.read("shop", "0-0", 1, 0.01)
    await desk.redis.set(offset_key("shop"), record.offset)  # a writer of an earlier release
    await desk.put(CLICK._replace(user="eve", items=("pot",), time=AT + 10**6))
    store = Parts(desk.redis)
    await desk.writer(store).step()
    assert store.effects == [2]
    assert await desk.redis.get(part_key("shop")) is None


async def test_full_sets_stay_one_list_in_the_memory_of_the_store(desk: Desk) -> None:
    await desk.redis.config_set("zset-max-listpack-entries", 512)
    for turn in range(3):
        items = tuple(f"{turn} {n}" for n in range(ITEMS))
        await desk.put(SHOWN._replace(items=items, time=AT + turn))
    await desk.writer(Parts(desk.redis)).step()
    seen = key("shop", hashed("ada"), Set.SEEN)
    assert await desk.redis.object("encoding", seen) == b"listpack"
    assert await desk.redis.zcount(seen, AT + 2, AT + 2) == LIMITS[Set.SEEN]
