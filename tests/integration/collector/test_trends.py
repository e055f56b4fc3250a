"""What is popular now: from the log to the transformer, in a real Redis."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from recommender_collector.collector_metrics import WriterMetrics
from recommender_collector.domain.events import Event
from recommender_collector.domain.lines import Line, Lines, digest, line_of
from recommender_collector.log.redis_log import RedisLog
from recommender_collector.store.experiment_store import ExperimentStore
from recommender_collector.store.user_store import OnlineStore
from recommender_collector.writers.experiment_writer import Experiments
from recommender_collector.writers.online_writer import OnlineWriter
from recommender_contract.events import Kind
from recommender_contract.ids import hashed
from recommender_contract.online_store import (
    HALF_LIFE,
    TREND_ITEMS,
    TREND_SECONDS,
    TREND_SEGMENTS,
    segment_of,
    trends,
)
from recommender_serving.store.trend_reader import TrendReader, Trends
from recommender_serving.store.user_reader import StoreError
from tests.redis_server import RedisServer
from tests.unit.recommender_collector.collector_samples import mapping, model

AT = 1_795_000_000_000
DEVICE = {"name": "device", "kind": "Categorical", "coldStart": True}
MODEL = model(mapping(features=[DEVICE]))


class Desk:
    def __init__(self, redis: Redis, server: RedisServer) -> None:
        self.redis = redis
        self.log = RedisLog(redis, {"shop": 86_400})
        self.store = OnlineStore(redis, 86_400)
        self.reader = TrendReader(server.url, "shop", clock=lambda: AT / 1000)
        self.number = 0

    def writer(self) -> OnlineWriter:
        metrics = WriterMetrics(CollectorRegistry(), ["shop"])
        experiments = Experiments(ExperimentStore(self.redis), "shop", MODEL)
        return OnlineWriter(self.log, self.store, "shop", MODEL, metrics, experiments)

    async def put(self, *events: Event) -> None:
        lines = []
        for event in events:
            self.number += 1
            lines.append(Line(digest(str(self.number)), line_of(event)))
        await self.log.append("shop", Lines.of(lines))

    async def read(self) -> Trends:
        return await self.reader.read()


@pytest.fixture
async def desk(redis: Redis, server: RedisServer) -> AsyncIterator[Desk]:
    desk = Desk(redis, server)
    yield desk
    await desk.reader.close()


def click(item: str, age: float = 0, device: str | None = None) -> Event:
    context = None if device is None else {"device": device}
    at = AT - int(age * 1000)
    return Event("e", Kind.CLICK, "ada", (item,), at, context=context)  # type: ignore[arg-type]


def counted(events: list[Event]) -> dict[int, float]:
    """The decayed events of each item, by their definition."""
    found: dict[int, float] = defaultdict(float)
    for event in events:
        found[hashed(str(event.items[0]))] += 0.5 ** ((AT - event.time) / 1000 / HALF_LIFE)
    return dict(found)


async def test_trends_are_decayed_counts_by_segment_whatever_the_order(desk: Desk) -> None:
    drawn = random.Random(5)
    events = [
        click(f"i{drawn.randrange(20)}", drawn.uniform(0, 86_400), drawn.choice(["phone", "tv"]))
        for _ in range(500)
    ]
    for start in range(0, len(events), 60):
        await desk.put(*events[start : start + 60])
    await desk.writer().step()
    found = await desk.read()
    assert found.overall == pytest.approx(counted(events))
    for device in ("phone", "tv"):
        own = [each for each in events if each.context == {"device": device}]
        assert found.segments[segment_of({"device": device})] == pytest.approx(counted(own))
    assert len(found.segments) == 2


async def test_an_event_counts_once_with_two_writers(desk: Desk) -> None:
    first, second = desk.writer(), desk.writer()
    offset = await desk.store.offset("shop")
    await desk.put(click("tea"))
    (record,) = await desk.log.read("shop", offset, 1, 0.01)
    await first.step()
    assert await second._one(record, offset, {}) is None
    await second.step(wait=0.01)
    assert (await desk.read()).overall == {hashed("tea"): pytest.approx(1)}


async def test_items_are_bounded_and_new_ones_replace_what_was_popular(desk: Desk) -> None:
    old = [click(f"old{n}", 3 * 86_400) for n in range(TREND_ITEMS) for _ in range(2)]
    new = [click(f"new{n}", 60) for n in range(TREND_ITEMS // 2)]
    for events in (old, new):
        for start in range(0, len(events), 500):
            await desk.put(*events[start : start + 500])
    await desk.writer().step()
    found = (await desk.read()).overall
    assert len(found) == TREND_ITEMS == await desk.redis.zcard(trends("shop") + ":all")
    assert {hashed(f"new{n}") for n in range(TREND_ITEMS // 2)} <= found.keys()


async def test_segments_are_bounded_and_the_rest_counts_for_all(desk: Desk, redis: Redis) -> None:
    await desk.put(*(click("tea", device=f"d{n}") for n in range(TREND_SEGMENTS + 10)))
    await desk.put(click("tea", device="d0"), click("tea", device="another"))
    await desk.writer().step()
    found = await desk.read()
    assert len(found.segments) == TREND_SEGMENTS
    assert found.overall == {hashed("tea"): pytest.approx(TREND_SEGMENTS + 12)}
    assert found.segments[segment_of({"device": "d0"})] == {hashed("tea"): pytest.approx(2)}
    names = [name async for name in redis.scan_iter(trends("shop") + "*")]
    assert len(names) == TREND_SEGMENTS + 2


async def test_a_segment_without_events_makes_room_for_another(desk: Desk, redis: Redis) -> None:
    await desk.put(*(click("tea", device=f"d{n}") for n in range(TREND_SEGMENTS)))
    await desk.writer().step()
    gone = segment_of({"device": "d7"})
    await redis.delete(f"{trends('shop')}:{gone}")  # as after TREND_SECONDS
    await desk.put(*(click("tea", device=name) for name in ("new", "d3", "late")))
    await desk.writer().step()
    kept = {segment_of({"device": f"d{n}"}) for n in range(TREND_SEGMENTS)} - {gone}
    assert (await desk.read()).segments.keys() == kept | {segment_of({"device": "new"})}


async def test_what_has_no_events_any_more_is_forgotten(desk: Desk, redis: Redis) -> None:
    await desk.put(click("tea", device="phone"))
    await desk.writer().step()
    async for name in redis.scan_iter(trends("shop") + "*"):
        assert 0 < await redis.ttl(name) <= TREND_SECONDS


async def test_without_events_there_are_no_trends(desk: Desk) -> None:
    assert await desk.read() == Trends()


async def test_a_store_that_is_gone_or_foreign_is_an_error(
    desk: Desk, redis: Redis, server: RedisServer
) -> None:
    await redis.set(trends("shop") + ":all", "junk")
    with pytest.raises(StoreError, match="WRONGTYPE"):
        await desk.read()
    server.kill()
    with pytest.raises(StoreError):
        await desk.read()
    server.start()
    await redis.delete(trends("shop") + ":all")
    assert await desk.read() == Trends()
