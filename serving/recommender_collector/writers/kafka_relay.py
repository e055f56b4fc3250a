"""From a topic of Kafka to the log in Redis."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from recommender_collector.collector_metrics import Target, WriterMetrics
from recommender_collector.domain.lines import Lines
from recommender_collector.log.event_log import START, LogUnavailable
from recommender_collector.log.group_commit import MOST_BYTES
from recommender_collector.log.kafka_records import Bounds, Message, Topic, line_of
from recommender_collector.log.relayed_log import partition_of

logger = logging.getLogger(__name__)
T = TypeVar("T")
WAIT_SECONDS = 1.0
LOOK_SECONDS = 1.0


class Destination(Protocol):
    """The log in Redis, with the offsets of the topic; see `Relayed`."""

    async def offsets(self, model: str, topic: str, identity: str = "") -> dict[int, int]: ...

    async def append(
        self,
        model: str,
        partition: str,
        before: int | None,
        after: int,
        at: int,
        lines: Lines,
    ) -> int | None: ...

    async def look(self) -> int: ...

    async def mark(self, model: str, through: int, record: str | None = None) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Goal:
    """When these offsets are reached, everything acknowledged before the time is in the log."""

    time: int  # milliseconds since 1970
    offsets: Mapping[int, int]

    def is_reached(self, offsets: Mapping[int, int]) -> bool:
        """True if all messages before the offsets of the goal were read."""
        return all(offsets.get(number, 0) >= end for number, end in self.offsets.items())


class Relay:
    """Moves the messages of one model's topic to its log in Redis.

    Redis has the offsets, and they move in the transaction that appends. Ids that are known are
    left out there. So each event is in the log exactly once, whichever process is killed, and
    also with several relays.
    """

    target = Target.RELAY

    def __init__(
        self,
        topic: Topic,
        log: Destination,
        name: str,
        metrics: WriterMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topic = topic
        self._log = log
        self._name = name
        self._metrics = metrics
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, f"kafka {name}")
        self._stored: dict[int, int | None] | None = None  # None: not started
        self._reached: dict[int, int] = {}
        self._told: dict[int, int] = {}  # partition -> offset through which losses are counted
        self._goal: Goal | None = None
        self._last: str | None = None  # record to be applied for the goal
        self._looked = float("-inf")

    async def step(self, wait: float = WAIT_SECONDS) -> str:
        """Move what is new, waiting up to `wait` seconds for it.

        Returns:
            The start of the log: it reads nothing there.

        Raises:
            LogBusy, LogUnavailable: step again.
        """
        try:
            if self._stored is None or self._clock() - self._looked >= LOOK_SECONDS:
                await self._look()
                await self._mark()
            messages = await self._call(self._topic.read, wait)
            for run in runs(messages):
                if not await self._append(run):
                    self._stored = None  # another relay; the next step starts from its offset
                    return START
        except BaseException:
            self._stored = None  # what was read and not appended is read again
            raise
        await self._mark()
        return START

    async def close(self) -> None:
        """Leave the brokers."""
        await self._call(self._topic.close)
        self._thread.shutdown(wait=False)

    async def _call(self, method: Callable[..., T], *arguments: Any) -> T:
        """Call a method that blocks, in the thread of this topic: others would wait for it."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, method, *arguments)

    async def _mark(self) -> None:
        if self._goal is not None and self._goal.is_reached(self._reached):
            self._last = await self._log.mark(self._name, self._goal.time, self._last)
            if self._last is not None:
                return
            self._metrics.reached(self._name, self.target, self._goal.time / 1000)
            self._goal = None

    async def _look(self) -> None:
        """Look how far the topic is; start, if not yet or if it has other partitions or offsets.

        The offsets are others after another relay, and if the store lost its data.
        """
        now = await self._log.look()  # before the bounds, which thus have all until then
        identity = await self._call(self._topic.identity)
        bounds = await self._call(self._topic.bounds)
        offsets = await self._log.offsets(self._name, self._topic.name, identity)
        if self._stored != {number: offsets.get(number) for number in bounds}:
            await self._start(bounds, offsets)
            self._goal = self._last = None
        ends = {number: each.high for number, each in bounds.items()}
        self._goal = self._goal or Goal(now, ends)
        unread = sum(end - self._reached[number] for number, end in ends.items())
        self._metrics.unread(self._name, max(0, unread))
        self._looked = self._clock()

    async def _start(self, bounds: Mapping[int, Bounds], offsets: Mapping[int, int]) -> None:
        starts = {}
        for number, each in bounds.items():
            stored = offsets.get(number)
            starts[number] = first(f"{self._topic.name} {number}", stored, each)
            if stored is not None and stored < each.low:
                self._tell(number, stored, each.low)
        await self._call(self._topic.start, starts)
        self._reached = starts
        self._stored = {number: offsets.get(number) for number in bounds}

    def _tell(self, number: int, stored: int, low: int) -> None:
        lost = low - max(stored, self._told.get(number, 0))
        if lost > 0:
            self._told[number] = low
            self._metrics.lost(self._name, lost)
            logger.error(
                "%s: %d messages of partition %d were removed before they were read: give the "
                "topic a longer retention", self._name, lost, number,
            )  # fmt: skip

    async def _append(self, run: Sequence[Message]) -> bool:
        assert self._stored is not None
        number, after = run[-1].partition, run[-1].offset + 1
        known = await self._log.append(
            self._name,
            partition_of(self._topic.name, number),
            self._stored[number],
            after,
            run[-1].time,
            Lines.of(line_of(self._topic.name, each) for each in run),
        )
        if known is None:
            return False
        self._stored[number] = self._reached[number] = after
        self._metrics.wrote(self._name, self.target, len(run) - known, 0)
        return True


def first(partition: str, stored: int | None, bounds: Bounds) -> int:
    """Return the offset from which a partition is read.

    Raises:
        LogUnavailable: the partition ends before what was read. From its start, events whose ids
            are forgotten would count twice.
    """
    if stored is not None and stored > bounds.high:
        raise LogUnavailable(
            f"partition {partition} ends at {bounds.high}, and {stored} was read: if its topic "
            "was made anew, give it another name"
        )
    return bounds.low if stored is None else max(stored, bounds.low)


def runs(messages: Sequence[Message]) -> list[list[Message]]:
    """Return the messages of each partition, those of the earliest partition first.

    Each run is a record of the log, of at most `MOST_BYTES`, or one message.
    """
    found: dict[int, list[Message]] = {}
    for each in messages:
        found.setdefault(each.partition, []).append(each)
    ordered = sorted(found.values(), key=lambda run: run[0].time)
    return [run for every in ordered for run in _bounded(every)]


def _bounded(messages: Sequence[Message]) -> Iterator[list[Message]]:
    run: list[Message] = []
    size = 0
    for each in messages:
        own = len(each.value or b"")
        if run and size + own > MOST_BYTES:
            yield run
            run, size = [], 0
        run.append(each)
        size += own
    yield run
