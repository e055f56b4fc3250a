"""Messages of Kafka get into the log in Redis once each, whatever fails in between."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from recommender_collector.collector_metrics import Target, WriterMetrics
from recommender_collector.log.event_log import LogBusy, LogUnavailable
from recommender_collector.log.group_commit import MOST_BYTES
from recommender_collector.log.kafka_records import Bounds, Message
from recommender_collector.writers.kafka_relay import Relay, first, runs
from tests.unit.recommender_collector.relay_fakes import (
    PARTITIONS,
    TOPIC,
    MemoryOffsets,
    MemoryTopic,
)


def event(id_: str, user: str = "ada") -> bytes:
    return f'[1,"{id_}","click","{user}",["tea"],1000,null,null,null,null,null]'.encode()


def _relay(topic: MemoryTopic, log: MemoryOffsets) -> tuple[Relay, CollectorRegistry]:
    registry = CollectorRegistry()
    metrics = WriterMetrics(registry, ["shop"], tuple(Target))
    ticks = iter(range(10**9))
    return Relay(topic, log, "shop", metrics, lambda: float(next(ticks))), registry


async def _steps(*relays: Relay, count: int = 30) -> None:
    for _ in range(count):
        for relay in relays:
            try:
                await relay.step(0)
            except (LogUnavailable, LogBusy):
                continue


@given(st.integers(0, 2**32), st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30))))
async def test_each_event_is_taken_once_and_in_order_whatever_fails(
    seed: int, sent: list[tuple[int, int]]
) -> None:
    choice = random.Random(seed)
    topic, log = MemoryTopic(choice), MemoryOffsets(choice)
    relays = [_relay(topic, log)[0] for _ in range(2)]
    expected: dict[int, list[bytes]] = {0: [], 1: [], 2: []}
    for partition, number in sent:
        line = event(f"{partition}-{number}")
        topic.put(partition, line)
        if line not in expected[partition]:
            expected[partition].append(line)
    ends = {f"{TOPIC} {n}": len(own) for n, own in enumerate(topic.messages) if own}
    for _ in range(500):
        if log.stored == ends:
            break
        await _steps(*relays, count=1)
    for partition, lines in expected.items():
        own = [line for line in log.lines if line.startswith(f'[1,"{partition}-'.encode())]
        assert own == lines
    assert len(log.lines) == sum(map(len, expected.values()))


async def test_two_erasures_of_a_user_are_both_in_the_log() -> None:
    topic, log = MemoryTopic(), MemoryOffsets()
    erasure = b'[1,"erase","ada"]'
    for line in (event("a"), erasure, event("b"), erasure):
        topic.put(0, line)
    await _steps(_relay(topic, log)[0])
    assert log.lines == [event("a"), erasure, event("b"), erasure]


@pytest.mark.parametrize("value", [None, b"", b"junk\nmore", b"[1]", b'{"a":1}', b"\xff"])
async def test_what_is_no_event_is_one_line_for_the_quarantine(value: bytes | None) -> None:
    topic, log = MemoryTopic(), MemoryOffsets()
    topic.put(0, value)
    topic.put(0, value)
    topic.put(0, event("a"))
    await _steps(_relay(topic, log)[0])
    assert len(log.lines) == 3
    assert log.lines[-1] == event("a")
    assert not any(b"\n" in line or not line for line in log.lines)


async def test_messages_that_the_retention_removed_are_told_once() -> None:
    topic, log = MemoryTopic(), MemoryOffsets()
    for number in range(5):
        topic.put(1, event(f"a{number}"))
    log.stored[f"{TOPIC} 1"] = 1
    topic.low[1] = 3
    relay, registry = _relay(topic, log)
    topic.messages[1], rest = topic.messages[1][:3], topic.messages[1][3:]
    await _steps(relay)
    again, _ = _relay(topic, log)
    topic.messages[1] += rest
    await _steps(relay, again)
    labels = {"model": "shop"}
    assert registry.get_sample_value("recommender_writer_lost_messages_total", labels) == 2
    assert log.lines == [event("a3"), event("a4")]


async def test_a_topic_that_was_made_anew_is_not_read_from_its_start() -> None:
    topic, log = MemoryTopic(), MemoryOffsets()
    topic.put(0, event("a"))
    log.stored[f"{TOPIC} 0"] = 7
    relay, _ = _relay(topic, log)
    with pytest.raises(LogUnavailable, match="another name"):
        await relay.step(0)
    assert log.lines == []


async def test_a_full_store_leaves_the_messages_in_kafka() -> None:
    topic, log = MemoryTopic(), MemoryOffsets()
    topic.put(0, event("a"))
    log.full = True
    relay, _ = _relay(topic, log)
    with pytest.raises(LogBusy):
        await relay.step(0)
    assert log.lines == []
    log.full = False
    await _steps(relay)
    assert log.lines == [event("a")]


async def test_a_time_is_marked_when_all_acknowledged_before_it_is_in_the_log() -> None:
    topic, log = MemoryTopic(), MemoryOffsets()
    for number in range(6):
        topic.put(0, event(f"a{number}"))
    relay, registry = _relay(topic, log)
    for _ in range(2):
        await relay.step(0)
        assert log.through == []
    log.now = 9_000
    await relay.step(0)
    assert log.through == [5_000]
    await relay.step(0)
    assert log.through[-1] == 9_000
    labels = {"model": "shop"}
    assert registry.get_sample_value("recommender_writer_unread_messages", labels) == 0


async def test_a_time_is_not_marked_before_what_was_read_is_applied() -> None:
    topic, log = MemoryTopic(), MemoryOffsets()
    topic.put(0, event("a"))
    log.is_applied = False
    relay, _ = _relay(topic, log)
    await relay.step(0)
    log.now = 9_000
    await relay.step(0)
    assert log.through == []
    assert log.marks == [None, "7-0", "7-0"], "events that come later may wait for ever"
    log.is_applied = True
    await relay.step(0)
    assert log.through[0] == 5_000


async def test_a_topic_that_was_made_anew_and_grew_is_not_read() -> None:
    topic, log = MemoryTopic(), MemoryOffsets()
    topic.put(0, event("a"))
    await _steps(_relay(topic, log)[0])
    topic.id = "second"
    topic.put(0, event("b"))
    relay, _ = _relay(topic, log)
    with pytest.raises(LogUnavailable, match="another topic"):
        await relay.step(0)
    assert log.lines == [event("a")]


async def test_an_idle_relay_sees_that_the_store_lost_its_data() -> None:
    topic, log = MemoryTopic(), MemoryOffsets()
    topic.put(0, event("a"))
    relay, _ = _relay(topic, log)
    await _steps(relay, count=3)
    empty = MemoryOffsets()
    relay._log = empty
    await _steps(relay, count=3)
    assert empty.lines == [event("a")]


async def test_a_new_partition_is_read_from_its_start() -> None:
    topic, log = MemoryTopic(), MemoryOffsets()
    relay, _ = _relay(topic, log)
    await relay.step(0)
    topic.messages.append([])
    topic.low.append(0)
    topic.put(PARTITIONS, event("new"))
    await _steps(relay)
    assert log.lines == [event("new")]


def test_the_earliest_partition_comes_first_and_the_order_in_each_stays() -> None:
    late, early = Message(0, 5, 900, b"x"), Message(1, 1, 100, b"y")
    after = Message(1, 2, 50, b"z")  # by another clock
    assert runs([late, early, after]) == [[early, after], [late]]


@pytest.mark.parametrize(("stored", "expected"), [(None, 3), (2, 3), (3, 3), (7, 7), (9, 9)])
def test_a_partition_is_read_from_what_is_stored_within_what_there_is(
    stored: int | None, expected: int
) -> None:
    assert first("t 0", stored, Bounds(3, 9)) == expected


def test_a_run_has_at_most_the_bytes_of_a_record_and_keeps_the_order() -> None:
    half = b"x" * (MOST_BYTES // 2)
    values = [half, half, b"", None, half * 4, half, b"y"]
    given = [Message(1, number, 9 - number, value) for number, value in enumerate(values)]
    assert [[each.offset for each in run] for run in runs(given)] == [[0, 1, 2, 3], [4], [5, 6]]
