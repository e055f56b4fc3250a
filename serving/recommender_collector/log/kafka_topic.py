"""A topic of Kafka as the relay reads it. The client is librdkafka."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from recommender_collector.log.event_log import LogUnavailable
from recommender_collector.log.kafka_records import MOST_MESSAGES, Bounds, Message
from recommender_collector.log.kafka_renewal import Renewal
from recommender_collector.log.kafka_settings import KafkaSettings

logger = logging.getLogger(__name__)
LOOK_SECONDS = 2.0
NO_ID = "A" * 22  # of brokers older than ids of topics
FETCHED_KILOBYTES = 4_096  # that the client holds for the next reads
READ_BYTES = 1024 * 1024  # after which a read takes no more
FEW = 100  # messages that are taken at once


class KafkaTopic:
    """The topic of one model, read from offsets that others keep: no group, so no rebalance."""

    def __init__(self, settings: KafkaSettings, model: str) -> None:
        self.name = settings.topic(model)
        self._settings = settings
        self._ask = functools.partial(AdminClient, dict(settings.client()))
        self._renewal = Renewal(settings, self._connect)
        self._consumer, self._looker, self._admin = self._connect()

    def _connect(self) -> tuple[Consumer, Consumer, AdminClient]:
        options: dict[str, Any] = {
            **self._settings.client(),
            "group.id": f"{self.name}.writer",  # which the client demands
            "enable.auto.commit": False,
            "auto.offset.reset": "error",  # never a step over what was not read
            "queued.max.messages.kbytes": FETCHED_KILOBYTES,
            "fetch.error.backoff.ms": 100,
            "error_cb": _tell,
        }
        own = logging.getLogger("recommender_collector.kafka")
        # A broker answers the requests of a connection in turn, and those for messages wait up to
        # half a second for some. Each look would wait for them, once for each partition.
        return Consumer(options, logger=own), Consumer(options, logger=own), self._ask()

    def identity(self) -> str:
        """Return the id of the topic; see `Topic`."""
        with _translated():
            self._renew()
            wanted = self._admin.describe_topics(
                TopicCollection([self.name]), request_timeout=LOOK_SECONDS
            )
            try:
                found = str(wanted[self.name].result().topic_id)
            except KafkaException:
                # It waits for the broker that it took for the controller, also if that is lost.
                self._admin = self._ask()
                raise
        return "" if found == NO_ID else found

    def bounds(self) -> dict[int, Bounds]:
        """Return the bounds of each partition; see `Topic`."""
        with _translated():
            self._looker.poll(0)  # or what it would log gathers
            found = self._looker.list_topics(self.name, timeout=LOOK_SECONDS).topics[self.name]
            if found.error is not None:
                raise KafkaException(found.error)
            return {number: self._of(number) for number in found.partitions}

    def start(self, offsets: Mapping[int, int]) -> None:
        """Read on from these offsets; see `Topic`."""
        with _translated():
            self._consumer.assign(
                [TopicPartition(self.name, number, offset) for number, offset in offsets.items()]
            )

    def read(self, seconds: float) -> list[Message]:
        """Return messages; see `Topic`."""
        with _translated():
            # `consume` with a time to wait would wait for the last one.
            first = self._consumer.poll(seconds)
            if first is None:
                return []
            found, more = [], [first]
            while more:
                for each in more:
                    if each.error() is not None:
                        raise KafkaException(each.error())
                found += [_message(each) for each in more]
                size = sum(len(each.value or b"") for each in found)
                left = MOST_MESSAGES - len(found) if size < READ_BYTES else 0
                more = self._consumer.consume(min(FEW, left), timeout=0) if left else []
            return found

    def _renew(self) -> None:
        """Take new clients if the certificates are other ones.

        Raises:
            LogUnavailable: the clients are new and do not know yet where to start.
        """
        found = self._renewal.look()
        if found is None:
            return
        self.close()
        self._consumer, self._looker, self._admin = found
        raise LogUnavailable("new certificates for Kafka: new clients read the topic")

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()
        self._looker.close()

    def _of(self, number: int) -> Bounds:
        partition = TopicPartition(self.name, number)
        low, high = self._looker.get_watermark_offsets(partition, timeout=LOOK_SECONDS)
        return Bounds(low, high)


def _message(given: Any) -> Message:
    return Message(given.partition(), given.offset(), given.timestamp()[1], given.value())


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise LogUnavailable(f"Kafka: {error.args[0].str()}") from None


def _tell(error: KafkaError) -> None:
    logger.debug("Kafka: %s", error)
