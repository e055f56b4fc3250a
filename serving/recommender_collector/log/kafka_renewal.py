"""Clients of Kafka that use a new certificate without a restart."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from confluent_kafka import KafkaException

from recommender_collector.log.kafka_settings import KafkaSettings

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Renewal(Generic[T]):
    """Connects anew when the files of certificates are other ones: a client reads them once.

    Former clients go on meanwhile, and while new files cannot be used. The brokers look at a
    certificate only when a connection begins.
    """

    def __init__(self, settings: KafkaSettings, connect: Callable[[], T]) -> None:
        """`connect` raises KafkaException for files that it cannot use."""
        self._settings = settings
        self._connect = connect
        self._stamp = settings.stamp()
        self.fails = False  # there are new files, which cannot be used

    def look(self) -> T | None:
        """Return new clients; None if the files are those of the former ones, or of no use."""
        try:
            stamp = self._settings.stamp()
            if stamp == self._stamp:
                return None
            found = self._connect()
        except (OSError, KafkaException) as error:
            if not self.fails:
                logger.error("new certificates for Kafka cannot be used: %s", error)
            self.fails = True
            return None
        logger.info("new certificates for Kafka are used")
        self._stamp, self.fails = stamp, False
        return found
