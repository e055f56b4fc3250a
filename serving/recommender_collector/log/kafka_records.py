"""Records of a topic of Kafka, as the relay needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import orjson

from recommender_collector.domain.lines import Line, digest

MOST_MESSAGES = 1000  # of a read; the script that appends them takes as many


@dataclass(frozen=True, slots=True)
class Message:
    """A message of one event or erasure. Its offset counts in its partition."""

    partition: int
    offset: int
    time: int  # milliseconds since 1970
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """The offsets of the oldest message of a partition, and after the newest."""

    low: int
    high: int


class Topic(Protocol):
    """The topic of one model. Its methods block.

    Each raises LogUnavailable.
    """

    @property
    def name(self) -> str:
        """Name of the topic."""
        ...

    def identity(self) -> str:
        """Return the id of the topic, which one of the same name made later has not.

        Empty if the brokers tell none.
        """
        ...

    def bounds(self) -> dict[int, Bounds]:
        """Return the bounds of each partition, now."""
        ...

    def start(self, offsets: Mapping[int, int]) -> None:
        """Read on from these offsets, one for each partition."""
        ...

    def read(self, seconds: float) -> list[Message]:
        """Return messages, waiting up to `seconds` for the first.

        Up to `MOST_MESSAGES`, and none after about 1 MiB.
        """
        ...

    def close(self) -> None:
        """Leave the brokers."""
        ...


def partition_key(line: bytes) -> bytes:
    """Return the key of the partition of a line: its user.

    All of one user is in one partition, so an erasure comes after the events that it covers.
    """
    row = orjson.loads(line)
    return str(row[2] if len(row) == 3 else row[3]).encode()


def line_of(topic: str, message: Message) -> Line:
    """Return the line of a message. One that is no event is one for the quarantine."""
    text = (message.value or b"null").replace(b"\n", b" ")
    try:
        row = orjson.loads(text)
    except orjson.JSONDecodeError:
        row = None
    if isinstance(row, list) and len(row) > 3 and isinstance(row[1], str):
        return Line(digest(row[1]), text)
    # Two erasures of a user are two. No event has this id, because ids are printable.
    return Line(digest(f"\0{topic} {message.partition} {message.offset}"), text)
