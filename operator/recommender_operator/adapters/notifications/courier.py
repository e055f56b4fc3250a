"""The queue of one receiver, and the task that empties it: one notification after the other.

A notification is recorded after the receiver has taken it. A process that ends in between tells it
again after its restart: told twice is better than not at all. The id is the same then.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime
import enum
import logging
import random
import time
from collections.abc import Awaitable, Callable

from recommender_operator.adapters.kubernetes.port import KubeError, NotLeaderError
from recommender_operator.adapters.notifications.post import Poster, PostError
from recommender_operator.adapters.notifications.record import Record
from recommender_operator.notifications import bodies, pacing
from recommender_operator.notifications.facts import RECENT, Fact
from recommender_operator.notifications.receivers import Receiver
from recommender_operator.observed import ModelObject

logger = logging.getLogger(__name__)

#: Notifications that wait for a receiver; the oldest are dropped.
QUEUE = 100
#: Remembered ids of notifications that this process has told or given up.
SETTLED = 10_000


class Result(enum.StrEnum):
    """What is counted of each receiver."""

    DELIVERED = "delivered"
    #: A try that failed; another one follows.
    RETRIED = "retried"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """A fact about a model, and when it was found."""

    model: ModelObject
    fact: Fact
    at: datetime.datetime


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tools:
    """What all couriers share."""

    poster: Poster
    record: Record
    console: str
    #: Counts a notification, by receiver and result.
    count: Callable[[str, str], None]
    now: Callable[[], datetime.datetime]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Courier:
    """Tells one receiver."""

    def __init__(self, receiver: Receiver, tools: Tools) -> None:
        self.receiver = receiver
        self._tools = tools
        self._jobs: collections.deque[Job] = collections.deque()
        self._more = asyncio.Event()
        self._bucket = pacing.Bucket(tools.clock())
        self._settled: collections.OrderedDict[str, None] = collections.OrderedDict()

    def offer(self, job: Job) -> None:
        """Add a job without waiting; the oldest one makes room for it."""
        if len(self._jobs) >= QUEUE:
            self._drop(self._jobs.popleft())
        self._jobs.append(job)
        self._more.set()

    async def run(self) -> None:
        """Tell one after the other, until cancelled."""
        while True:
            while self._jobs:
                await self.handle(self._jobs.popleft())
            self._more.clear()
            await self._more.wait()

    async def handle(self, job: Job) -> None:
        """Tell a fact, unless it was told; nothing is raised."""
        if self._tools.now() - job.at > RECENT:
            # The receiver did not answer for long: what is new matters more.
            self._drop(job)
            return
        for attempt in range(1, pacing.TRIES + 1):
            again: float | None = None
            try:
                if await self._tools.record.renew(job.model, self.receiver, job.fact):
                    return
                await self._tell(job)
                return
            except PostError as error:
                again = error.after
                failure, passes = str(error), error.passes
            except (KubeError, NotLeaderError) as error:
                if isinstance(error, KubeError) and error.namespace_terminating:
                    return
                failure, passes = f"no record: {type(error).__name__}", True
            except Exception as error:
                # Only the class: the text could have what is secret.
                failure, passes = type(error).__name__, False
            if not passes or attempt == pacing.TRIES:
                await self._give_up(job, failure)
                return
            logger.info("%s: %s; another try follows", self.receiver.name, failure)
            self._tools.count(self.receiver.name, Result.RETRIED)
            await self._tools.sleep(pacing.pause(attempt, random.random(), again))  # noqa: S311

    async def _tell(self, job: Job) -> None:
        tools = self._tools
        if job.fact.id not in self._settled:
            while (wait := self._bucket.take(tools.clock())) > 0:
                await tools.sleep(wait)
            message = bodies.message(self.receiver, job.fact, tools.console, tools.now())
            await tools.poster.post(self.receiver, message)
            tools.count(self.receiver.name, Result.DELIVERED)
            self._settle(job)
        await tools.record.write(job.model, self.receiver, job.fact)

    async def _give_up(self, job: Job, failure: str) -> None:
        name = self.receiver.name
        logger.warning("%s was not told of %s: %s", name, bodies.title(job.fact), failure)
        if job.fact.id in self._settled:
            # It was told; only the record is missing.
            return
        self._tools.count(name, Result.FAILED)
        self._settle(job)
        try:
            await self._tools.record.write(job.model, self.receiver, job.fact, failure)
        except Exception as error:
            # Whatever it is: the task must go on with what waits.
            logger.info("%s: the failure is not recorded: %s", name, type(error).__name__)

    def _drop(self, job: Job) -> None:
        logger.warning("%s was not told of %s: dropped", self.receiver.name, job.fact.id)
        self._tools.count(self.receiver.name, Result.DROPPED)

    def _settle(self, job: Job) -> None:
        self._settled[job.fact.id] = None
        while len(self._settled) > SETTLED:
            self._settled.popitem(last=False)
