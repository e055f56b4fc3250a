"""Receivers and an API server in memory."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import datetime
from collections.abc import AsyncIterator

from recommender_operator.adapters.kinds import EVENTS
from recommender_operator.adapters.notifications.dispatcher import Dispatcher, Job, Tools
from recommender_operator.adapters.notifications.http_post import PostError
from recommender_operator.adapters.notifications.notifier import Notifier
from recommender_operator.adapters.notifications.sent_log import SentLog
from recommender_operator.notifications.bodies import Message
from recommender_operator.notifications.facts import Fact
from recommender_operator.notifications.receivers import Receiver
from tests.fakes.kube import NOW, FakeKube
from tests.unit.recommender_operator.notifications.samples import (
    SLACK,
    fact,
    model,
)

DOWN = PostError("it answered 503", passes=True)
GONE = PostError("it answered 404", passes=False)


class World:
    """Receivers and an API server in memory; sleeping passes the time."""

    def __init__(self) -> None:
        self.kube = FakeKube()
        self.seconds = 0.0
        self.slept: list[float] = []
        self.counts: collections.Counter[tuple[str, str]] = collections.Counter()
        self.posts: list[tuple[str, str]] = []
        #: What the next posts raise.
        self.errors: list[Exception] = []
        #: What posts wait for.
        self.hanging: asyncio.Event | None = None

    async def post(self, receiver: Receiver, message: Message) -> None:
        if self.hanging is not None:
            await self.hanging.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.posts.append((receiver.name, message.id))

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)

    def now(self) -> datetime.datetime:
        return NOW + datetime.timedelta(seconds=self.seconds)

    def count(self, receiver: str, result: str) -> None:
        self.counts[receiver, result] += 1

    def tools(self) -> Tools:
        return Tools(
            poster=self,
            record=SentLog(self.kube, self.now),
            console="",
            count=self.count,
            now=self.now,
            clock=lambda: self.seconds,
            sleep=self.sleep,
        )

    def dispatcher(self, receiver: Receiver = SLACK) -> Dispatcher:
        return Dispatcher(receiver, self.tools())

    def job(self, given: Fact | None = None) -> Job:
        return Job(model=model(), fact=given or fact(), at=self.now())

    def events(self) -> list[tuple[str, str]]:
        found = [self.kube.find(EVENTS, name) for name in self.kube.names(EVENTS)]
        return [(event["reason"], event["message"]) for event in found]


@contextlib.asynccontextmanager
async def running(notifier: Notifier) -> AsyncIterator[None]:
    """Run the tasks of a notifier, none of which may end."""
    task = asyncio.create_task(notifier.run())
    yield
    assert not task.done()
    task.cancel()


async def idle() -> None:
    """Let the tasks run until they wait."""
    for _ in range(60):
        await asyncio.sleep(0)
