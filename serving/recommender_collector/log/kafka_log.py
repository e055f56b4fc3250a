"""The end of a log in Kafka: events become durable in a topic of their model.

The client is librdkafka, with a thread that serves its callbacks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient, ConfigResource

from recommender_collector.domain.lines import Lines
from recommender_collector.log.durability import NotDurable
from recommender_collector.log.event_log import LogUnavailable
from recommender_collector.log.kafka_records import partition_key
from recommender_collector.log.kafka_renewal import Renewal
from recommender_collector.log.kafka_settings import KafkaSettings

logger = logging.getLogger(__name__)
#: Until an append fails whose messages the brokers do not acknowledge.
DELIVERY_SECONDS = 5.0
#: Of the messages that wait for the brokers; with a full queue, appends fail.
QUEUE_KILOBYTES = 65_536
LOOK_SECONDS = 2.0
POLL_SECONDS = 0.1
#: After the last delivery is due, whatever the client does: no request waits for ever.
SLACK_SECONDS = 2.0
#: The topic is missing or may not be used, which its owner has to change.
_WRONG = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
)
ALLOW = "let the collector's user write to the topic (Write)"
#: Of an idempotent client that may write to no topic, the brokers say that of the cluster.
_FORBIDDEN = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED)


class KafkaLog:
    """Appends to the topics of all models.

    An append is acknowledged by all replicas in sync. Retries of the client keep order and make
    no second message; those of senders do, and the relay leaves these out by their ids.
    """

    def __init__(self, settings: KafkaSettings, models: Collection[str]) -> None:
        self._settings = settings
        self._topics = {model: settings.topic(model) for model in models}
        self._renewal = Renewal(settings, self._connect)
        self._producer = self._connect()
        self._fatal: KafkaError | None = None  # of this producer
        self._replaced: deque[Producer] = deque()  # whose messages have not all failed yet
        self._refused = False  # an append was, for a missing right
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka", daemon=True)
        self._thread.start()

    async def append(self, model: str, lines: Lines) -> list[int]:
        """Append the events; see `Appends`. The relay compares their ids, so none is returned."""
        await self._send(model, lines.text.split(b"\n"))
        return []

    async def append_erasure(self, model: str, line: bytes) -> None:
        """Append an erasure; see `Appends`."""
        await self._send(model, [line])

    async def check(self, *, settings: bool) -> None:
        """Look whether the brokers have the topics.

        With `settings`, or after an append was refused, look too whether events may be written to
        them, and whether they are durable.

        Raises:
            LogUnavailable: the brokers do not answer.
            NotDurable: a topic is missing, takes no events, or would lose acknowledged ones.
        """
        if (producer := self._renewal.look()) is not None:
            self._take(producer)
        settings = (settings or self._refused) and not self._renewal.fails
        for topic in self._topics.values():
            await asyncio.to_thread(self._check, topic, settings)
        if settings:
            self._refused = False

    def _take(self, producer: Producer) -> None:
        self._replaced.append(self._producer)
        self._producer, self._fatal = producer, None

    def close(self) -> None:
        """Stop, when what waits is durable or has failed."""
        with contextlib.suppress(KafkaException):  # a fatal error is raised here, too
            self._producer.flush(DELIVERY_SECONDS)
        self._stopped.set()
        self._thread.join()

    def _connect(self) -> Producer:
        return Producer(
            {
                **self._settings.client(),
                "acks": "all",
                "enable.idempotence": True,
                "partitioner": "murmur2_random",  # that of the clients in Java
                "linger.ms": 1,
                "delivery.timeout.ms": int(DELIVERY_SECONDS * 1000),
                "queue.buffering.max.kbytes": QUEUE_KILOBYTES,
                "error_cb": _tell,
            },
            logger=logging.getLogger("recommender_collector.kafka"),
        )

    async def _send(self, model: str, lines: Sequence[bytes]) -> None:
        sent = _Sent(asyncio.get_running_loop(), len(lines))
        producer, topic = self._producer, self._topics[model]
        try:
            for line in lines:
                producer.produce(topic, line, partition_key(line), on_delivery=sent.delivered)
        except BufferError:
            raise LogUnavailable("too many events wait for Kafka") from None
        except KafkaException as error:
            raise self._failed(producer, error.args[0]) from None
        try:
            async with asyncio.timeout(DELIVERY_SECONDS + SLACK_SECONDS):
                failure = await sent.error
        except TimeoutError:
            raise LogUnavailable("the client of Kafka does not answer") from None
        if failure is not None:
            raise self._failed(producer, failure)

    def _failed(self, producer: Producer, error: KafkaError) -> LogUnavailable:
        if producer is self._producer:
            error = self._fatal or error
        self._refused = self._refused or error.code() in _FORBIDDEN
        self._replace(producer, error)
        return LogUnavailable(_text(error))

    def _replace(self, producer: Producer, error: KafkaError) -> None:
        """Connect anew after an error that the client does not get over."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            logger.error("the client of Kafka is started again: %s", _text(error))
            if producer is self._producer:
                with contextlib.suppress(KafkaException):  # its files: the renewal says so
                    self._take(self._connect())

    def _poll(self) -> None:
        while not self._stopped.is_set():
            self._serve(self._producer, POLL_SECONDS)
            for _ in range(len(self._replaced)):
                replaced = self._replaced.popleft()
                self._serve(replaced, 0)
                if len(replaced):
                    self._replaced.append(replaced)

    def _serve(self, producer: Producer, seconds: float) -> None:
        """Serve the callbacks of a client.

        A fatal error is raised here, once; then the messages that wait fail with another one.
        """
        try:
            producer.poll(seconds)
        except KafkaException as error:
            if producer is self._producer:
                self._fatal = error.args[0]

    def _check(self, topic: str, settings: bool) -> None:
        try:
            found = self._producer.list_topics(topic, timeout=LOOK_SECONDS).topics[topic]
            if found.error is not None:
                raise KafkaException(found.error)
        except KafkaException as error:
            raise _explained(topic, error.args[0]) from None
        if not settings:
            return
        try:
            admin = AdminClient(dict(self._settings.client()))
        except KafkaException as error:
            raise LogUnavailable(_text(error.args[0])) from None
        self._check_right(admin, topic)
        if not self._settings.durable:
            replicas = min(len(each.replicas) for each in found.partitions.values())
            if problem := topic_fault(topic, self._described(admin, topic), replicas):
                raise NotDurable(problem)

    def _check_right(self, admin: AdminClient, topic: str) -> None:
        """Look whether events may be written: without this, only an append would show it."""
        (found,) = admin.describe_topics(
            TopicCollection([topic]),
            include_authorized_operations=True,
            request_timeout=LOOK_SECONDS,
        ).values()
        try:
            allowed = found.result().authorized_operations
        except KafkaException as error:
            raise _explained(topic, error.args[0]) from None
        # Brokers before 2.3 tell none.
        if allowed is not None and AclOperation.WRITE not in allowed:
            raise NotDurable(f"topic {topic}: the collector's user may not write to it: {ALLOW}")

    def _described(self, admin: AdminClient, topic: str) -> dict[str, str | None]:
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        (found,) = admin.describe_configs([resource], request_timeout=LOOK_SECONDS).values()
        try:
            return {name: entry.value for name, entry in found.result().items()}
        except KafkaException as error:
            if error.args[0].code() in _FORBIDDEN:
                said = f"topic {topic} does not show its settings"
                remedy = f"let the collector's user describe them (DescribeConfigs), {REMEDY}"
                raise NotDurable(f"{said}: {remedy}") from None
            raise _explained(topic, error.args[0]) from None


class _Sent:
    """The delivery of the messages of one append; `error` is the first one, or None."""

    def __init__(self, loop: asyncio.AbstractEventLoop, messages: int) -> None:
        self.error: asyncio.Future[KafkaError | None] = loop.create_future()
        self._loop = loop
        self._left = messages
        self._first: KafkaError | None = None

    def delivered(self, error: KafkaError | None, _: Any) -> None:
        """Count a message; called by the thread of the client."""
        self._left -= 1
        self._first = self._first or error
        if self._left == 0:
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.error.done():  # the append may be cancelled
            self.error.set_result(self._first)


def _explained(topic: str, error: KafkaError) -> Exception:
    if error.code() in _WRONG:
        return NotDurable(f"topic {topic}: {error.str()}: create it, and let the collector use it")
    return LogUnavailable(_text(error))


def _text(error: KafkaError) -> str:
    if error.code() in _FORBIDDEN:
        return f"Kafka refuses events ({error.name()}): {ALLOW}"
    return f"Kafka does not answer ({error.name()})"


def _tell(error: KafkaError) -> None:
    logger.debug("Kafka: %s", error)


REMEDY = "or, if it is durable by other means, RECOMMENDER_KAFKA_DURABLE=true"


def topic_fault(topic: str, settings: Mapping[str, str | None], replicas: int) -> str | None:
    """Return the fault of the settings of a topic and the remedy, or None.

    Brokers acknowledge what is in the memory of all replicas in sync, and sync to disk later. So
    a message is safe only if two or more of them must have it.
    """
    if settings.get("cleanup.policy") != "delete":
        said = settings.get("cleanup.policy")
        return f"{topic} has cleanup.policy {said!r}, which removes events: set `delete`"
    least = int(settings.get("min.insync.replicas") or 1)
    if replicas < 2 or least < 2:
        return (
            f"{topic} has {replicas} replicas and min.insync.replicas {least}, so it loses "
            f"acknowledged events with one broker: set 3 and 2, {REMEDY}"
        )
    if settings.get("unclean.leader.election.enable") == "true":
        return f"{topic} has unclean.leader.election.enable: set `false`, {REMEDY}"
    return None
