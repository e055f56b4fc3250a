"""Port of a durable log.

Redis is both halves of it. With Kafka, events are appended to a topic, and a relay moves them to
the log in Redis, which the writers read (ADR 0076).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from recommender_collector.domain.lines import Lines

START = "0-0"  # before the first record


class LogBusy(Exception):  # noqa: N818 - a state, not an error
    """The log takes no more for now; nothing was appended. `seconds` is when to try again."""

    def __init__(self, reason: str, seconds: int = 1) -> None:
        super().__init__(reason)
        self.seconds = seconds


class LogUnavailable(Exception):  # noqa: N818 - a state, not an error
    """The log does not answer. The events may or may not be in it: send them again."""


@dataclass(frozen=True, slots=True)
class Record:
    """Lines that were appended together, and their offset."""

    offset: str
    lines: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Backlog:
    """State of the log: records not yet trimmed, and the share of its memory in use, 0 to 1."""

    records: int
    memory: float


class Appends(Protocol):
    """The end of a log at which events arrive."""

    async def append(self, model: str, lines: Lines) -> list[int]:
        """Append the events whose id is new; return when they are durable.

        Returns:
            The indices of the others, whose id is in the log's memory of ids or repeated. A log
            that compares ids later appends all and returns none.

        Raises:
            LogBusy, LogUnavailable: see there.
        """
        ...

    async def append_erasure(self, model: str, line: bytes) -> None:
        """Append an erasure; return when it is durable.

        Raises:
            LogBusy, LogUnavailable: see there.
        """
        ...


class EventLog(Appends, Protocol):
    """A log of each model, in order."""

    async def read(self, model: str, after: str, records: int, seconds: float) -> list[Record]:
        """Return up to `records` records after the offset, waiting up to `seconds` for one.

        More than one have at most about 1 MiB together: one is returned whatever its size.

        Raises:
            LogUnavailable: see there.
        """
        ...

    async def trim(self, model: str, through: str) -> None:
        """Remove the records up to and including the offset.

        Raises:
            LogUnavailable: see there.
        """
        ...
