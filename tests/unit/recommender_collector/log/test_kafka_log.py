"""A request never waits for ever, whatever becomes of the client of Kafka."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("confluent_kafka")

from confluent_kafka import KafkaError, KafkaException

from recommender_collector.domain.lines import Lines, digest
from recommender_collector.log import kafka_log
from recommender_collector.log.event_log import LogUnavailable
from recommender_collector.log.kafka_log import KafkaLog
from recommender_collector.log.kafka_settings import KafkaSettings

SETTINGS = KafkaSettings(brokers="127.0.0.1:9", prefix="events", durable=True)


class Client:
    """A producer whose messages fail, each when it is polled after a time."""

    def __init__(self, after: float = 0.0) -> None:
        self._after = time.monotonic() + after
        self._sent: list[Callable[..., None]] = []

    def produce(self, *_: Any, on_delivery: Callable[..., None]) -> None:
        self._sent.append(on_delivery)

    def poll(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.005))
        if time.monotonic() >= self._after:
            while self._sent:
                self._sent.pop(0)(KafkaError(KafkaError._FATAL), None)

    def flush(self, _: float) -> None:
        self.poll(0)

    def __len__(self) -> int:
        return len(self._sent)


class Broken(Client):
    """A producer that raises its fatal error once, and then lets messages fail with another."""

    def __init__(self) -> None:
        super().__init__()
        self._told = False

    def poll(self, seconds: float) -> None:
        if not self._told:
            self._told = True
            raise KafkaException(KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED, "no", True))
        super().poll(seconds)


def _line() -> Lines:
    return Lines(1, digest("a"), b'[1,"a","click","ada",["tea"],1]')


async def test_what_waits_in_a_client_that_was_replaced_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clients = [Client(0.1), Client(), Client()]
    first = clients[0]
    monkeypatch.setattr(KafkaLog, "_connect", lambda _: clients.pop(0))
    log = KafkaLog(SETTINGS, ["shop"])
    first.produce(on_delivery=lambda *_: None)
    log._replace(first, KafkaError(KafkaError._FATAL))  # type: ignore[arg-type]
    try:
        for _ in range(100):
            if not len(first):
                break
            time.sleep(0.01)
        assert not len(first)
    finally:
        log.close()


async def test_an_append_says_the_fatal_error_and_the_next_one_has_another_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clients = [Broken(), Client(), Client()]
    monkeypatch.setattr(KafkaLog, "_connect", lambda _: clients.pop(0))
    log = KafkaLog(SETTINGS, ["shop"])
    try:
        for said in ("write to the topic", "_FATAL"):
            with pytest.raises(LogUnavailable, match=said):
                await log.append("shop", _line())
    finally:
        log.close()


async def test_a_client_with_a_fatal_error_does_not_hinder_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Client()

    def flush(_: float) -> None:
        raise KafkaException(KafkaError(KafkaError._FATAL))

    monkeypatch.setattr(client, "flush", flush)
    monkeypatch.setattr(KafkaLog, "_connect", lambda _: client)
    log = KafkaLog(SETTINGS, ["shop"])
    log.close()
    assert not log._thread.is_alive()


async def test_a_client_that_says_nothing_is_waited_for_until_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(KafkaLog, "_connect", lambda _: Client(60))
    monkeypatch.setattr(kafka_log, "DELIVERY_SECONDS", 0.01)
    monkeypatch.setattr(kafka_log, "SLACK_SECONDS", 0.01)
    log = KafkaLog(SETTINGS, ["shop"])
    try:
        with pytest.raises(LogUnavailable, match="client of Kafka"):
            await log.append("shop", _line())
    finally:
        log.close()
