"""What the log in Redis says of the topics of Kafka, in a real Redis."""

from __future__ import annotations

import orjson
import pytest
from redis.asyncio import Redis

from recommender_collector.domain.declaration import parse_declaration
from recommender_collector.domain.events import Event
from recommender_collector.domain.lines import Line, Lines, digest, line_of
from recommender_collector.experiments.experiment import Spans
from recommender_collector.log.event_log import START, LogUnavailable
from recommender_collector.log.positions import offset_key
from recommender_collector.log.redis_log import RedisLog
from recommender_collector.log.relayed_log import THROUGH, Relayed, offsets_key
from recommender_collector.outcomes.predictions import LabelRule
from recommender_collector.store.experiment_store import ExperimentStore
from recommender_collector.store.outcome_store import OutcomeStore
from recommender_contract.events import Kind
from tests.collector_rig import MAPPING

AGES = {"shop": 86_400}


def lines(*ids: str) -> Lines:
    return Lines.of(
        Line(digest(id_), line_of(Event(id_, Kind.CLICK, "ada", ("tea",), 1000))) for id_ in ids
    )


async def _through(redis: Redis) -> object:
    pipeline = redis.pipeline()
    pipeline.hget(offsets_key("shop"), THROUGH)
    (found,) = await pipeline.execute()
    return found


async def test_a_relay_that_is_behind_another_one_writes_nothing(redis: Redis) -> None:
    relayed, log = Relayed(redis, AGES), RedisLog(redis, AGES)
    assert await relayed.append("shop", "t 0", None, 2, 1_000, lines("a", "b")) == 0
    for before in (None, 1, 3):
        assert await relayed.append("shop", "t 0", before, 9, 1_000, lines("x")) is None
    assert await relayed.append("shop", "t 0", 2, 5, 1_000, lines("b", "c", "c")) == 2
    assert await relayed.offsets("shop", "t") == {0: 5}
    found = [line for record in await log.read("shop", START, 9, 0.01) for line in record.lines]
    assert found == [each.line for each in lines("a", "b", "c")]


async def test_an_experiment_is_known_through_what_is_relayed(redis: Redis) -> None:
    spans = Spans.of_model(
        parse_declaration(orjson.dumps({"models": {"shop": {"mapping": MAPPING}}})).models["shop"]
    )
    of_redis, of_kafka = ExperimentStore(redis), ExperimentStore(redis, from_kafka=True)
    assert (await of_kafka.read("shop", "a1b2c3d4", spans)).watermark == 0
    await Relayed(redis, AGES).mark("shop", 5_000)
    assert (await of_kafka.read("shop", "a1b2c3d4", spans)).watermark == 5
    assert (await of_redis.read("shop", "a1b2c3d4", spans)).watermark > 1e9


async def test_outcomes_are_known_through_what_is_relayed(redis: Redis) -> None:
    rule = LabelRule(frozenset({Kind.PURCHASE}), window=3_600_000, late=3_600_000)
    of_redis, of_kafka = OutcomeStore(redis), OutcomeStore(redis, from_kafka=True)
    assert (await of_kafka.read("shop", "shop-1", rule)).watermark == 0
    await Relayed(redis, AGES).mark("shop", 5_000)
    assert (await of_kafka.read("shop", "shop-1", rule)).watermark == 5
    assert (await of_redis.read("shop", "shop-1", rule)).watermark > 1e9


async def test_a_time_is_known_only_when_the_store_has_what_is_before_it(redis: Redis) -> None:
    relayed = Relayed(redis, AGES)
    await relayed.append("shop", "t 0", None, 1, 1_000, lines("a"))
    record = await relayed.mark("shop", 5_000)
    assert record == "1000-0"
    await relayed.append("shop", "t 0", 1, 2, 2_000, lines("b"))
    assert await relayed.mark("shop", 5_000, record) == record
    assert await _through(redis) is None
    await redis.set(offset_key("shop"), record)
    assert await relayed.mark("shop", 5_000, record) is None
    assert await relayed.mark("shop", 6_000) == "2000-0"
    assert await _through(redis) == b"5000"


async def test_offsets_of_another_topic_of_the_name_are_refused(redis: Redis) -> None:
    relayed = Relayed(redis, AGES)
    await relayed.append("shop", "t 0", None, 2, 1_000, lines("a", "b"))
    assert await relayed.offsets("shop", "t", "one") == {0: 2}
    assert await relayed.offsets("shop", "t", "one") == {0: 2}
    assert await relayed.offsets("shop", "u", "two") == {}
    for _ in range(2):
        with pytest.raises(LogUnavailable, match="another name"):
            await relayed.offsets("shop", "t", "two")
