"""What every log promises: in Redis alone, and in Kafka with a relay to Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from recommender_collector.collector_metrics import Target, WriterMetrics
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.lines import Line, Lines, digest, line_of
from recommender_collector.log.durability import NotDurable
from recommender_collector.log.event_log import START, Appends, LogUnavailable
from recommender_collector.log.kafka_log import KafkaLog
from recommender_collector.log.kafka_settings import KafkaSettings
from recommender_collector.log.kafka_topic import KafkaTopic
from recommender_collector.log.redis_log import RedisLog
from recommender_collector.log.relayed_log import Relayed
from recommender_collector.writers.kafka_relay import Relay
from recommender_contract.events import Kind
from tests import collector_rig, kafka_server, redis_server
from tests.collector_crash import kill_under_load
from tests.collector_rig import clicks
from tests.kafka_server import KafkaServer

AGES = {"shop": 86_400, "news": 400}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    with kafka_server.running(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis_server.RedisServer]:
    with redis_server.running(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
async def redis(store: redis_server.RedisServer) -> AsyncIterator[Redis]:
    client: Redis = Redis.from_url(store.url)
    await client.flushall()
    yield client
    await client.aclose()


class Desk:
    """A log of either kind. With Kafka, a relay for each model moves events when it is asked."""

    def __init__(self, redis: Redis, settings: KafkaSettings | None = None) -> None:
        self.registry = CollectorRegistry()
        self.log = RedisLog(redis, AGES)
        self.appends: Appends = self.log
        self.relays: dict[str, Relay] = {}
        self.topics: dict[str, KafkaTopic] = {}
        self._relayed = Relayed(redis, AGES)
        if settings is not None:
            metrics = WriterMetrics(self.registry, AGES, tuple(Target))
            self.appends = self.kafka = KafkaLog(settings, AGES)
            for model in AGES:
                self.topics[model] = KafkaTopic(settings, model)
                self.relays[model] = Relay(self.topics[model], self._relayed, model, metrics)

    async def stored(self, model: str = "shop") -> list[bytes]:
        """Return the lines that a reader finds."""
        if model in self.relays:
            await self._relay(model)
        records = await self.log.read(model, START, 1000, 0.01)
        return [line for record in records for line in record.lines]

    async def _relay(self, model: str) -> None:
        topic = self.topics[model]
        async with asyncio.timeout(60):
            while True:
                ends = {n: each.high for n, each in topic.bounds().items() if each.high}
                found = await self._relayed.offsets(model, topic.name)
                if found.items() >= ends.items():
                    return
                await self.relays[model].step(0.1)

    def close(self) -> None:
        for topic in self.topics.values():
            topic.close()
        if self.relays:
            self.kafka.close()


@pytest.fixture(params=["redis", "kafka"])
def desk(request: pytest.FixtureRequest, redis: Redis) -> Iterator[Desk]:
    settings = None
    if request.param == "kafka":
        broker: KafkaServer = request.getfixturevalue("broker")
        settings = _fresh(broker)
    found = Desk(redis, settings)
    yield found
    found.close()


def _fresh(broker: KafkaServer) -> KafkaSettings:
    """Return settings of topics that no other test has."""
    _fresh.count += 1  # type: ignore[attr-defined]
    prefix = f"test{_fresh.count}"  # type: ignore[attr-defined]
    settings = KafkaSettings(brokers=broker.brokers, prefix=prefix, durable=True)
    broker.create(*(settings.topic(model) for model in AGES))
    return settings


_fresh.count = 0  # type: ignore[attr-defined]


def lines(*ids: str, user: str = "ada") -> Lines:
    return Lines.of(
        Line(digest(id_), line_of(Event(id_, Kind.CLICK, user, ("tea",), 1000))) for id_ in ids
    )


def texts(*ids: str, user: str = "ada") -> list[bytes]:
    return [each.line for each in lines(*ids, user=user)]


async def test_an_event_is_in_the_log_once_and_in_the_order_of_its_user(desk: Desk) -> None:
    await desk.appends.append("shop", lines("a", "b", "a"))
    await desk.appends.append("shop", lines("b", "c"))
    assert await desk.stored() == texts("a", "b", "c")
    await desk.appends.append("shop", lines("c", "d"))
    assert await desk.stored() == texts("a", "b", "c", "d")


async def test_the_ids_of_models_are_apart(desk: Desk) -> None:
    for model in AGES:
        await desk.appends.append(model, lines("a"))
    assert [await desk.stored(model) for model in AGES] == [texts("a"), texts("a")]


async def test_the_events_of_many_users_are_all_in_the_log(desk: Desk) -> None:
    many = Lines.joined([lines(f"id-{n}", user=f"u{n % 97}") for n in range(1000)])
    await asyncio.gather(*(desk.appends.append("shop", many) for _ in range(3)))
    assert sorted(await desk.stored()) == sorted(each.line for each in many)


async def test_an_erasure_is_behind_the_events_that_it_covers(desk: Desk) -> None:
    erasure = line_of(Erasure("ada"))
    await desk.appends.append("shop", lines("a", "b"))
    await desk.appends.append_erasure("shop", erasure)
    await desk.appends.append("shop", lines("c"))
    await desk.appends.append_erasure("shop", erasure)
    assert await desk.stored() == [*texts("a", "b"), erasure, *texts("c"), erasure]


async def test_what_kafka_does_not_acknowledge_is_sent_again_and_counts_once(
    redis: Redis, broker: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _fresh(broker)
    desk = Desk(redis, settings)
    await desk.appends.append("shop", lines("a"))
    monkeypatch.setattr("recommender_collector.log.kafka_log.DELIVERY_SECONDS", 1.5)
    impatient = KafkaLog(settings, AGES)
    await impatient.append("shop", lines("a"))  # it knows the topic, so the next ones are sent
    before = await _messages(desk)
    with broker.hanging(), pytest.raises(LogUnavailable, match="does not answer"):
        await impatient.append("shop", lines("b"))
    impatient.close()
    await desk.appends.append("shop", lines("b", "c"))
    assert await _messages(desk) == before + 3, "both messages of b are in the topic"
    assert await desk.stored() == texts("a", "b", "c")
    desk.close()


async def _messages(desk: Desk) -> int:
    """Return their number, once a broker that hung leads its partitions again."""
    async with asyncio.timeout(60):
        while True:
            try:
                return sum(each.high for each in desk.topics["shop"].bounds().values())
            except LogUnavailable:
                await asyncio.sleep(0.1)


async def test_the_time_of_a_record_is_that_of_its_messages(
    redis: Redis, broker: KafkaServer
) -> None:
    desk = Desk(redis, _fresh(broker))
    found = {topic.identity() for _ in range(2) for topic in desk.topics.values()}
    assert len(found - {""}) == len(AGES), "each topic has an id of its own"
    await desk.appends.append("shop", lines("a"))
    await asyncio.sleep(0.2)
    seconds, micro = await redis.time()
    assert await desk.stored() == texts("a")
    (record,) = await desk.log.read("shop", START, 10, 0.01)
    assert int(record.offset.partition("-")[0]) < seconds * 1000 + micro // 1000 - 150
    # A log that reaches further is continued, and not refused.
    await redis.xadd("{shop}:events", {b"e": b"x"}, id=f"{(seconds + 60) * 1000}-1")
    await desk.appends.append("shop", lines("b"))
    assert await desk.stored() == [*texts("a"), b"x", *texts("b")]
    desk.close()


async def test_messages_that_the_retention_removed_are_counted(
    redis: Redis, broker: KafkaServer
) -> None:
    settings = _fresh(broker)
    desk = Desk(redis, settings)
    await desk.appends.append("shop", lines("a"))
    assert await desk.stored() == texts("a")
    await desk.appends.append("shop", lines("b", "c", "d"))
    (number,) = (n for n, each in desk.topics["shop"].bounds().items() if each.high)
    broker.remove_before(settings.topic("shop"), number, 3)
    desk.close()
    again = Desk(redis, settings)  # without what the first one fetched in advance
    assert await again.stored() == texts("a", "d")
    name, labels = "recommender_writer_lost_messages_total", {"model": "shop"}
    assert again.registry.get_sample_value(name, labels) == 2
    again.close()


async def test_a_topic_of_one_replica_or_none_is_refused(broker: KafkaServer) -> None:
    broker.create("single.shop")
    for prefix, said in (("single", "min.insync.replicas"), ("missing", "create it")):
        log = KafkaLog(KafkaSettings(brokers=broker.brokers, prefix=prefix), ["shop"])
        with pytest.raises(NotDurable, match=said):
            await log.check(settings=True)
        log.close()
    away = KafkaLog(KafkaSettings(brokers="127.0.0.1:9", prefix="single"), ["shop"])
    with pytest.raises(LogUnavailable):
        await away.check(settings=True)
    away.close()


async def test_with_kafka_events_are_accepted_while_the_store_is_away(
    tmp_path: Path, broker: KafkaServer
) -> None:
    with collector_rig.running(tmp_path, kafka=broker, with_writer=False) as rig:
        rig.redis.kill()
        async with httpx.AsyncClient(timeout=30) as client:
            body = clicks(0, 20)
            answer = await client.post(f"{rig.url}/v1/events", json=body)
            assert answer.json()["accepted"] == 20
            rig.redis.start()
            rig.write.start(rig.redis.url)
            await asyncio.to_thread(collector_rig.until, lambda: len(rig.archived()) == 20)


async def test_with_kafka_nothing_acknowledged_is_lost_or_counted_twice(
    tmp_path: Path, broker: KafkaServer
) -> None:
    with collector_rig.running(tmp_path, kafka=broker) as rig:
        outcome = await kill_under_load(rig, events=200, kills=4)
    assert outcome.events >= 200
    assert set(outcome.kills) == {"redis", "serve", "write", "kafka"}
    assert outcome.failed_attempts > 0, "the kills were not under load"
    assert (outcome.lost, outcome.double, outcome.wrong_moments) == (0, 0, 0)
