"""The queue of one receiver, and the task that empties it: one notification after the other.

A notification is recorded after the receiver has taken it. If the process ends in between, the
next one sends it again, with the same id: twice is better than never.
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

from recommender_operator.adapters.notifications.http_post import Poster, PostError
from recommender_operator.adapters.notifications.sent_log import SentLog
from recommender_operator.controller.kube import KubeError, NotLeaderError
from recommender_operator.notifications import bodies, pacing
from recommender_operator.notifications.facts import RECENT, Fact
from recommender_operator.notifications.receivers import Receiver
from recommender_operator.observed import ModelObject

logger = logging.getLogger(__name__)

#: Notifications that wait for a receiver.
QUEUE = 100
#: Remembered ids of notifications that were delivered.
DELIVERED = 10_000
#: Statuses of the API server that say nothing about a request: another one may succeed.
_PASSING = frozenset({401, 408, 429})


class Result(enum.StrEnum):
    """The results that are counted for each receiver."""

    DELIVERED = "delivered"
    #: A try that failed; another one follows.
    RETRIED = "retried"
    FAILED = "failed"
    DROPPED = "dropped"
    #: An error of the operator itself.
    ERROR = "error"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """A fact about a model, and when it was found."""

    model: ModelObject
    fact: Fact
    at: datetime.datetime


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tools:
    """The parts that all dispatchers share."""

    poster: Poster
    record: SentLog
    console: str
    #: Counts a notification, by receiver and result.
    count: Callable[[str, str], None]
    now: Callable[[], datetime.datetime]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Failure:
    """Failure of a try; its text has nothing that is secret."""

    text: str
    #: Whether another try makes sense.
    passes: bool
    #: Whether the API server does not answer or refuses everything, which is no failed try.
    outage: bool = False
    #: Seconds that the receiver asks to wait.
    after: float | None = None


class Dispatcher:
    """Sends notifications to one receiver."""

    def __init__(self, receiver: Receiver, tools: Tools) -> None:
        self.receiver = receiver
        self._tools = tools
        self._jobs: collections.deque[Job] = collections.deque()
        #: Delivered facts by id, whose records are to be renewed.
        self._renewals: dict[str, Job] = {}
        self._more = asyncio.Event()
        self._bucket = pacing.Bucket(tools.clock())
        self._delivered: collections.OrderedDict[str, None] = collections.OrderedDict()

    def offer(self, job: Job) -> Job | None:
        """Add a job without waiting; return the one that was dropped because too many wait."""
        dropped = None
        if self._is_delivered(job.fact):
            self._renewals[job.fact.id] = job
        else:
            self._jobs.append(job)
            dropped = self._make_room()
        self._more.set()
        return dropped

    async def run(self) -> None:
        """Send one after the other, and renew records meanwhile, until cancelled."""
        await asyncio.gather(self._send_all(), self._renew_all())

    async def _send_all(self) -> None:
        while True:
            while self._jobs:
                await self.handle(self._jobs.popleft())
            self._more.clear()
            await self._more.wait()

    async def _renew_all(self) -> None:
        while True:
            while self._renewals:
                await self.renew(self._renewals.pop(next(iter(self._renewals))))
            self._more.clear()
            await self._more.wait()

    async def handle(self, job: Job) -> None:
        """Send a fact, unless it was sent; nothing is raised."""
        tries = pacing.Tries()
        while self._tools.now() - job.at <= RECENT:
            try:
                await self._send(job)
                return
            except Exception as error:
                if isinstance(error, KubeError) and error.namespace_terminating:
                    return
                failure = _failure(error)
            share = random.random()  # noqa: S311
            pause = pacing.LONGEST if failure.outage else tries.pause(share, failure.after)
            if not failure.passes or pause is None:
                await self._give_up(job, failure.text)
                return
            logger.info("%s: %s; another try follows", self.receiver.name, failure.text)
            self._tools.count(self.receiver.name, Result.RETRIED)
            await self._tools.sleep(pause)
        # The receiver or the API server did not answer for long: what is new matters more.
        if not self._is_delivered(job.fact):
            self._drop(job)

    async def renew(self, job: Job) -> None:
        """Renew the record of what was delivered; nothing is raised, the next one comes soon."""
        try:
            if not await self._tools.record.renew(job.model, self.receiver, job.fact):
                await self._tools.record.write(job.model, self.receiver, job.fact)
        except Exception as error:
            logger.info("%s: a record is not renewed: %s", self.receiver.name, _name(error))

    async def _send(self, job: Job) -> None:
        tools, fact = self._tools, job.fact
        recorded = await tools.record.renew(job.model, self.receiver, fact)
        if self.receiver.repeats(fact) or not (recorded or fact.id in self._delivered):
            while (wait := self._bucket.take(tools.clock())) > 0:
                await tools.sleep(wait)
            message = bodies.message(self.receiver, fact, tools.console, tools.now())
            await tools.poster.post(self.receiver, message)
            tools.count(self.receiver.name, Result.DELIVERED)
        self._delivered[fact.id] = None
        while len(self._delivered) > DELIVERED:
            self._delivered.popitem(last=False)
        if not recorded:
            await tools.record.write(job.model, self.receiver, fact)

    async def _give_up(self, job: Job, failure: str) -> None:
        if self._is_delivered(job.fact):
            # Only the record is missing.
            return
        name = self.receiver.name
        logger.warning("%s was not sent to %s: %s", bodies.title(job.fact), name, failure)
        self._tools.count(name, Result.FAILED)
        try:
            await self._tools.record.fail(job.model, self.receiver, job.fact, failure)
        except Exception as error:
            logger.info("%s: the failure is not recorded: %s", name, _name(error))

    def _is_delivered(self, fact: Fact) -> bool:
        return fact.id in self._delivered and not self.receiver.repeats(fact)

    def _make_room(self) -> Job | None:
        """Drop one of too many jobs: the oldest that lasts, or else the oldest."""
        if len(self._jobs) <= QUEUE:
            return None
        dropped = next((job for job in self._jobs if job.fact.lasting), self._jobs[0])
        self._jobs.remove(dropped)
        self._drop(dropped)
        return dropped

    def _drop(self, job: Job) -> None:
        logger.warning("%s was not sent to %s: dropped", job.fact.id, self.receiver.name)
        self._tools.count(self.receiver.name, Result.DROPPED)


def _failure(error: Exception) -> _Failure:
    match error:
        case PostError():
            return _Failure(text=str(error), passes=error.passes, after=error.after)
        case NotLeaderError():
            return _Failure(text=_name(error), passes=True, outage=True)
        case KubeError():
            refused = 400 <= error.status < 500 and error.status not in _PASSING
            return _Failure(text=f"no record: {_name(error)}", passes=True, outage=not refused)
    return _Failure(text=_name(error), passes=False)


def _name(error: Exception) -> str:
    """Return the class of an error: its text could have what is secret."""
    return type(error).__name__
