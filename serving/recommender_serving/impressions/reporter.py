"""Gathers impressions and sends them in the background, within bounds of memory."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recommender_runtime.aio import in_daemon, pause
from recommender_serving.domain.features import Features
from recommender_serving.domain.types import RecommendRequest, Reported
from recommender_serving.experiments.assignment import Assignment, loggable_user
from recommender_serving.impressions.collector_client import (
    CollectorBusy,
    CollectorRefuses,
    Receipt,
)
from recommender_serving.impressions.context_features import listed_bytes
from recommender_serving.impressions.impression_events import (
    AnsweredRequest,
    Mark,
    Origin,
    Served,
    Shown,
    bodies,
    failed,
    sampled,
    shown,
    takes_draw,
)

logger = logging.getLogger(__name__)
Post = Callable[[bytes], Receipt]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of what waits and of a request, and the waits before it is repeated."""

    impressions: int = 10_000  # that wait
    items: int = 500_000  # of them, together: a text of an item is shared, so 8 bytes each
    #: Bytes of the lists of their contexts, together, and of those that are on their way.
    listed: int = 32 << 20
    batch: int = 200  # impressions
    body: int = 900_000  # bytes; the collector takes 1 MiB
    gather_seconds: float = 1.0  # from the first impression to its request
    waits: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)  # seconds before each repeat of a request
    longest_wait: float = 10.0  # seconds, whatever the collector asks for


class Impressions:
    """The impressions of one process.

    `add` costs microseconds and never waits. If too many wait, the new ones are dropped and
    counted: those that wait may be on their way already.
    """

    def __init__(
        self,
        post: Post,
        origin: Origin,
        share: float,
        features: Features,
        counted: Callable[[Reported, int], None],
        bounds: Bounds | None = None,
    ) -> None:
        self._post = post
        self._origin = origin
        self._share = share
        self._features = features
        self._counted = counted
        self._bounds = bounds or Bounds()
        self._waiting: deque[tuple[int, Shown, int]] = deque()  # number, and bytes of its lists
        self._items = self._listed = 0
        self._numbers = itertools.count()
        self._some = asyncio.Event()
        self._closing = asyncio.Event()
        self._works = True

    def add(self, answered: AnsweredRequest) -> None:
        """Report an answer later, if its request is in the sampled share."""
        if sampled(answered.id, self._share):
            self._add(shown(answered, self._features, self._origin.divided))

    def add_failure(
        self,
        request: RecommendRequest,
        id_: str,
        at: float,
        assignment: Assignment,
        mark: Mark | None,
        served: Served,
    ) -> None:
        """Report a request of an experiment that got no answer later, as `add` does."""
        if sampled(id_, self._share):
            self._add(failed(request, id_, at, self._features, assignment, mark, served))

    def _add(self, found: Shown | None) -> None:
        if found is None:
            return
        items_then = self._items + len(found.items)
        listed = listed_bytes(found.context)
        bounds = self._bounds
        if (
            len(self._waiting) >= bounds.impressions
            or items_then > bounds.items
            or self._listed + listed > bounds.listed
        ):
            self._counted(Reported.DROPPED, 1)
            return
        self._items, self._listed = items_then, self._listed + listed
        self._waiting.append((next(self._numbers), found, listed))
        self._some.set()

    def reports_draw(
        self,
        request: RecommendRequest,
        id_: str,
        items: Sequence[int] | Sequence[str],
        pool: Sequence[int] | Sequence[str],
    ) -> bool:
        """Return whether a draw from the pool will be reported, unless too many wait."""
        is_reported = loggable_user(request) is not None and sampled(id_, self._share)
        return is_reported and takes_draw(items, pool)

    async def run(self) -> None:
        """Send what is added, until `close`; then what still waits, once."""
        while True:
            await _first_of(self._some, self._closing)
            await pause(self._closing, self._bounds.gather_seconds)
            works = True
            while self._waiting and (works or not self._closing.is_set()):
                taken, listed = self._take()
                works = await self._send(taken)
                self._listed -= listed
            if self._closing.is_set():
                self._counted(Reported.DROPPED, len(self._waiting))
                return
            self._some.clear()

    def close(self) -> None:
        """Make `run` send what waits and return; at the first failure without the rest."""
        self._closing.set()

    def _take(self) -> tuple[list[tuple[int, Shown]], int]:
        """Return the next impressions, and the bytes of their lists, which still count."""
        count = min(self._bounds.batch, len(self._waiting))
        taken = [self._waiting.popleft() for _ in range(count)]
        self._items -= sum(len(each.items) for _, each, _ in taken)
        found = [(number, each) for number, each, _ in taken]
        return found, sum(listed for *_, listed in taken)

    async def _send(self, taken: Sequence[tuple[int, Shown]]) -> bool:
        """Send impressions, and count what became of each; return whether all were answered."""
        try:  # in a thread, because the bodies are large
            made = await asyncio.to_thread(
                lambda: list(bodies(taken, self._origin, self._bounds.body))
            )
        except Exception as error:
            # Whatever fails, later impressions are sent.
            self._counted(Reported.DROPPED, len(taken))
            self._note(_dropped(len(taken), error))
            return False
        answered = True
        for count, body in made:
            answered = await self._send_body(count, body) and answered
        return answered

    async def _send_body(self, count: int, body: bytes) -> bool:
        """Send the body of so many impressions; return whether it was answered."""
        left = count
        try:
            receipt = await self._repeated(body)
            self._counted(Reported.DURABLE, receipt.durable)
            self._counted(Reported.REJECTED, receipt.rejected)
            left -= receipt.durable + receipt.rejected
            self._note(receipt.error)
        except Exception as error:
            self._note(_dropped(count, error))
            return False
        finally:
            self._counted(Reported.DROPPED, max(0, left))
        return True

    async def _repeated(self, body: bytes) -> Receipt:
        """Post until it is answered.

        Raises:
            CollectorBusy, CollectorRefuses: the last attempt failed, or none would succeed.
        """
        for wait in self._bounds.waits:
            try:
                return await in_daemon(lambda: self._post(body))
            except CollectorBusy as busy:
                if self._closing.is_set():
                    raise
                asked = min(busy.seconds, self._bounds.longest_wait)
                await pause(self._closing, max(wait, asked))
        return await in_daemon(lambda: self._post(body))

    def _note(self, problem: str) -> None:
        """Log the first problem after a success."""
        if problem and self._works:
            logger.warning("impressions: %s", problem)
        self._works = not problem


def _dropped(count: int, error: Exception) -> str:
    known = isinstance(error, CollectorBusy | CollectorRefuses)
    return f"{count} impressions are dropped: {error if known else repr(error)}"


async def _first_of(*events: asyncio.Event) -> None:
    """Wait until one of the events."""
    waits = [asyncio.ensure_future(each.wait()) for each in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
