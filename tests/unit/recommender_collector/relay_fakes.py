"""What a relay is between, in memory: a topic of Kafka and the log in Redis."""

from __future__ import annotations

import random
from collections.abc import Mapping

from recommender_collector.domain.lines import Lines
from recommender_collector.log.event_log import LogBusy, LogUnavailable
from recommender_collector.log.kafka_records import MOST_MESSAGES, Bounds, Message

PARTITIONS = 3
TOPIC = "events.shop"


class MemoryTopic:
    """A topic whose reads fail by chance. A partition may have lost its first messages."""

    name = TOPIC
    id = "first"

    def __init__(self, fails: random.Random | None = None) -> None:
        self.messages: list[list[Message]] = [[] for _ in range(PARTITIONS)]
        self.low = [0] * PARTITIONS
        self._fails = fails
        self._at: dict[int, int] = {}

    def put(self, partition: int, value: bytes | None) -> None:
        own = self.messages[partition]
        own.append(Message(partition, len(own), 1_000 + sum(map(len, self.messages)), value))

    def identity(self) -> str:
        return self.id

    def bounds(self) -> dict[int, Bounds]:
        self._fail()
        return {n: Bounds(self.low[n], len(own)) for n, own in enumerate(self.messages)}

    def start(self, offsets: Mapping[int, int]) -> None:
        self._fail()
        self._at = dict(offsets)

    def read(self, seconds: float) -> list[Message]:
        found = []
        for number, start in self._at.items():
            found += self.messages[number][start : start + 2]
            self._at[number] = start + 2
        self._fail()  # after the position has moved
        return found[:MOST_MESSAGES]

    def close(self) -> None:
        """Nothing is open."""

    def _fail(self) -> None:
        if self._fails is not None and self._fails.random() < 0.2:
            raise LogUnavailable("gone")


class MemoryOffsets:
    """The log in Redis: what was appended, and the offsets; another relay may be faster."""

    def __init__(self, fails: random.Random | None = None) -> None:
        self.lines: list[bytes] = []
        self.stored: dict[str, int] = {}
        self.through: list[int] = []
        self.now = 5_000
        self.full = False
        self.is_applied = True
        self.identity = ""
        self.marks: list[str | None] = []
        self._known: set[bytes] = set()
        self._fails = fails

    async def offsets(self, model: str, topic: str, identity: str = "") -> dict[int, int]:
        self.identity = self.identity or identity
        if self.identity != identity:
            raise LogUnavailable("another topic")
        return {int(name.rpartition(" ")[2]): at for name, at in self.stored.items()}

    async def append(
        self,
        model: str,
        partition: str,
        before: int | None,
        after: int,
        at: int,
        lines: Lines,
    ) -> int | None:
        if self.stored.get(partition) != before:
            return None
        if self._fails is not None and self._fails.random() < 0.2:
            raise LogUnavailable("gone")
        fresh = []
        for each in lines:
            if each.digest not in self._known:
                self._known.add(each.digest)
                fresh.append(each.line)
        self.lines += fresh
        self.stored[partition] = after
        if self._fails is not None and self._fails.random() < 0.2:
            raise LogUnavailable("the answer is lost")
        return len(lines) - len(fresh)

    async def look(self) -> int:
        if self.full:
            raise LogBusy("full")
        return self.now

    async def mark(self, model: str, through: int, record: str | None = None) -> str | None:
        self.marks.append(record)
        if not self.is_applied:
            return "7-0"
        self.through.append(through)
        return None
