"""Build the parts that need the client of Kafka, which is imported only for them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from redis.asyncio import Redis

from recommender_collector.collector_metrics import WriterMetrics
from recommender_collector.log.kafka_settings import KafkaSettings
from recommender_collector.log.relayed_log import Relayed
from recommender_collector.writers.kafka_relay import Relay
from recommender_runtime.settings import SettingsError

if TYPE_CHECKING:
    from recommender_collector.log.kafka_log import KafkaLog

MISSING = (
    "RECOMMENDER_KAFKA_BROKERS needs the client of Kafka: install recommender-operator[kafka], or "
    "build the image with --build-arg EXTRAS='--extra kafka'"
)


def log(settings: KafkaSettings, ages: Mapping[str, int]) -> KafkaLog:
    """Return the end of the log at which events arrive.

    Raises:
        SettingsError: the client is not installed, or refuses the settings.
    """
    try:
        from recommender_collector.log.kafka_log import KafkaLog
    except ImportError:
        raise SettingsError(MISSING) from None
    with _refused(settings):
        return KafkaLog(settings, ages)


def relays(
    settings: KafkaSettings, redis: Redis, ages: Mapping[str, int], metrics: WriterMetrics
) -> dict[str, Relay]:
    """Return the relay of each model.

    Raises:
        SettingsError: the client is not installed, or refuses the settings.
    """
    try:
        from recommender_collector.log.kafka_topic import KafkaTopic
    except ImportError:
        raise SettingsError(MISSING) from None
    relayed = Relayed(redis, ages)
    with _refused(settings):
        topics = {name: KafkaTopic(settings, name) for name in ages}
    return {name: Relay(topic, relayed, name, metrics) for name, topic in topics.items()}


@contextlib.contextmanager
def _refused(settings: KafkaSettings) -> Iterator[None]:
    """Say which settings the client refuses.

    Raises:
        SettingsError: a file cannot be read, or is none of certificates.
    """
    from confluent_kafka import KafkaException

    try:
        settings.check_files()
        yield
    except ValueError as error:
        raise SettingsError(str(error)) from None
    except KafkaException as error:
        text = f"the client of Kafka refuses its settings: {error.args[0].str()}"
        raise SettingsError(f"{text}: see RECOMMENDER_KAFKA_CA, _CERTIFICATE and _KEY") from None
