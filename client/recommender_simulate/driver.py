"""Sends requests when they are due, however late the answers are, and events behind them."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from recommender_client import (
    ClientError,
    Kind,
    Query,
    Receipt,
    Recommendation,
    Undelivered,
    UserEvent,
)
from recommender_client.values import Id
from recommender_simulate.behaviour import Act, Behaviour
from recommender_simulate.catalogue import Best
from recommender_simulate.population import Visit
from recommender_simulate.summary import Summary, Worth
from recommender_simulate.user_tastes import Tastes

MOST_WAITING = 500  # requests without an answer yet; a further one fails
GATHER_SECONDS = 0.2  # from an event to the request that sends it
MOST_EVENTS = 100_000  # that wait for the collector; the user does not act beyond it


class Endpoint(Protocol):
    """Answers queries."""

    async def recommend(self, query: Query) -> Recommendation:
        """Answer a query, or raise ClientError."""


class Collector(Protocol):
    """Takes events."""

    async def send(self, *events: UserEvent) -> Receipt:
        """Send events, or raise ClientError."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Tastes of users, their clicks, and the worth of a version's answers.

    With `best`, answers are compared with the best lists.
    """

    tastes: Tastes = field(default_factory=Tastes)
    behaviour: Behaviour = field(default_factory=Behaviour)
    appeal: Mapping[str, float] = field(default_factory=dict)
    best: Best | None = None

    def acts(self, user: Id, answer: Recommendation, draws: random.Random) -> list[Act]:
        """Return the clicks of a user in an answer, and remember them."""
        appeal = self.appeal.get(answer.version, 1.0)
        acts = self.behaviour.act(self.tastes, user, answer.items, draws, appeal)
        for act in acts:
            if self.best is not None and act.kind is Kind.CLICK:
                self.best.memory.clicked(user, act.item)
        return acts

    def worth(
        self, user: Id, answer: Recommendation, perfect: Sequence[Id] | None = None
    ) -> Worth:
        """Return the worth of an answer to a user, and that of a perfect list."""
        appeal = self.appeal.get(answer.version, 1.0)

        def clicks(items: Sequence[Id]) -> float:
            return self.behaviour.expected_clicks(self.tastes, user, items, appeal)

        return Worth(clicks(answer.items), None if perfect is None else clicks(perfect))


@dataclass(frozen=True, slots=True)
class Course:
    """Duration of a run, and its requests."""

    seconds: float
    top_n: int = 10
    impressions: bool = True  # reported by the client; else the serving path reports them
    patience: float = 60.0  # seconds after the end, for events that the collector has not taken


class Simulation:
    """One run. `summary` is complete when `run` has returned."""

    def __init__(
        self,
        endpoint: Endpoint,
        collector: Collector | None,
        truth: Truth,
        course: Course,
        seed: int,
    ) -> None:
        self.summary = Summary()
        self._endpoint = endpoint
        self._collector = collector
        self._truth = truth
        self._course = course
        self._seed = seed
        self._waiting: deque[UserEvent] = deque()
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End the course now; `run` still waits for answers and for the collector."""
        self._stopped.set()

    async def run(
        self,
        visits: Iterator[Visit],
        tell: Callable[[Summary], None] | None = None,
        every: float = 5.0,
    ) -> Summary:
        """Send every visit that is due within the course, then the events that wait."""
        done = asyncio.Event()
        sender = asyncio.create_task(self._send_events(done))
        teller = asyncio.create_task(_repeat(tell, self.summary, every))
        try:
            await self._send_requests(visits)
        finally:
            teller.cancel()
            done.set()
            await sender
        return self.summary

    async def _send_requests(self, visits: Iterator[Visit]) -> None:
        clock = asyncio.get_running_loop().time
        started = clock()
        flying: set[asyncio.Task[None]] = set()
        for visit in visits:
            if visit.due > self._course.seconds:
                break
            await _until(self._stopped, max(0.0, started + visit.due - clock()))
            if self._stopped.is_set():
                break
            if len(flying) >= MOST_WAITING:
                self.summary.failed(f"{MOST_WAITING} requests wait for an answer")
                continue
            task = asyncio.create_task(self._visit(visit))
            flying.add(task)
            task.add_done_callback(flying.discard)
        await asyncio.gather(*flying)

    async def _visit(self, visit: Visit) -> None:
        query = Query(
            user_id=visit.user,
            session_id=visit.session,
            context=visit.context,
            top_n=self._course.top_n,
        )
        best = self._truth.best
        # Before the answer, which is made of what the user did until now.
        perfect = best.of(visit.user, self._course.top_n) if best else None
        try:
            answer = await self._endpoint.recommend(query)
        except ClientError as error:
            self.summary.failed(f"{type(error).__name__}: {error}")
            return
        # By visit, because answers arrive in any order.
        draws = random.Random(f"{self._seed}:{visit.number}")
        acts = self._truth.acts(visit.user, answer, draws)
        self.summary.answered(answer, acts, self._truth.worth(visit.user, answer, perfect))
        self._report(visit, answer, acts)

    def _report(self, visit: Visit, answer: Recommendation, acts: list[Act]) -> None:
        if self._collector is None:
            return
        made: list[UserEvent] = []
        if self._course.impressions and answer.items:
            # Before the acts, because only what follows an impression counts.
            made.append(answer.impression(context=visit.context))
        made += [_event(visit, answer, act) for act in acts]
        if len(self._waiting) + len(made) > MOST_EVENTS:
            self.summary.undelivered += len(made)
            return
        self._waiting.extend(made)

    async def _send_events(self, done: asyncio.Event) -> None:
        """Send what waits until the end, and then what still waits, for a while."""
        clock, until = asyncio.get_running_loop().time, math.inf
        while not (done.is_set() and not self._waiting):
            if done.is_set() and until == math.inf:
                until = clock() + self._course.patience
            if clock() >= until:
                self.summary.undelivered += len(self._waiting)
                return
            if not self._waiting:
                await _until(done, GATHER_SECONDS)
                continue
            taken = tuple(self._waiting)
            self._waiting.clear()
            await self._send(taken)

    async def _send(self, taken: tuple[UserEvent, ...]) -> None:
        assert self._collector is not None
        try:
            receipt = await self._collector.send(*taken)
        except Undelivered as error:
            # The same events again, later: each counts once.
            receipt = error.receipt
            self._waiting.extendleft(reversed(error.events))
            self.summary.event_trouble = str(error)[:200]
        except ClientError as error:
            receipt = getattr(error, "receipt", None) or Receipt()
            self.summary.undelivered += len(getattr(error, "events", taken))
            self.summary.event_trouble = str(error)[:200]
        self.summary.accepted += receipt.accepted + receipt.repeated
        self.summary.rejected += len(receipt.rejected)


def _event(visit: Visit, answer: Recommendation, act: Act) -> UserEvent:
    if act.value is None:
        return answer.click(act.item, context=visit.context)
    return answer.purchase(act.item, act.value, context=visit.context)


async def _repeat(tell: Callable[[Summary], None] | None, summary: Summary, every: float) -> None:
    while tell is not None:
        await asyncio.sleep(every)
        tell(summary)


async def _until(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
