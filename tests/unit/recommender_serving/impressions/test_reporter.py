"""Impressions are sent in the background: none waits for it, each is counted once."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from recommender_contract.events import Source
from recommender_serving.domain.types import Answer, Reported
from recommender_serving.impressions import reporter
from recommender_serving.impressions.collector_client import (
    CollectorBusy,
    CollectorRefuses,
    Receipt,
)
from recommender_serving.impressions.impression_events import AnsweredRequest, Origin, bodies
from recommender_serving.impressions.reporter import Bounds, Impressions
from tests.unit.recommender_serving.serving_samples import request

ORIGIN = Origin("shop", "shop-1", "shop-1/0f")
SOON = Bounds(gather_seconds=0, waits=(0.0, 0.0))
Behaviour = Callable[[list[int]], Receipt]


def taken(numbers: list[int]) -> Receipt:
    return Receipt(len(numbers), 0)


class Desk:
    """Impressions over a collector that is a function of the numbers that it is sent."""

    def __init__(
        self, behaviour: Behaviour = taken, bounds: Bounds = SOON, share: float = 1.0
    ) -> None:
        self.behaviour = behaviour
        self.got: list[list[int]] = []
        self.counts: Counter[Reported] = Counter()
        self.impressions = Impressions(self._post, ORIGIN, share, {}, self._count, bounds)
        self.running: asyncio.Task[None] | None = None

    def _post(self, body: bytes) -> Receipt:
        numbers = [int(each["id"]) for each in json.loads(body)]
        self.got.append(numbers)
        return self.behaviour(numbers)

    def _count(self, outcome: Reported, count: int) -> None:
        self.counts[outcome] += count

    def add(self, count: int = 1, items: int = 2) -> None:
        answer = Answer(tuple(range(items)), (0.5,) * items, Source.MODEL)
        for number in range(count):
            self.impressions.add(
                AnsweredRequest(request(), answer, answer.items, f"r-{number}", 5.0)
            )

    async def end(self) -> Counter[Reported]:
        """Run until all is sent or dropped."""
        self.impressions.close()
        async with asyncio.timeout(60):
            await (self.running or self.impressions.run())
        return +self.counts

    async def sent(self, total: int) -> Counter[Reported]:
        """Run until so many have an outcome."""
        self.running = self.running or asyncio.create_task(self.impressions.run())
        async with asyncio.timeout(60):
            while self.counts.total() < total:
                await asyncio.sleep(0)
        return +self.counts


async def test_what_is_added_is_sent_in_batches_in_order() -> None:
    desk = Desk(bounds=Bounds(gather_seconds=0, batch=3))
    desk.add(7)
    assert await desk.sent(7) == {Reported.DURABLE: 7}
    assert desk.got == [[0, 1, 2], [3, 4, 5], [6]]
    desk.add(1)
    assert await desk.end() == {Reported.DURABLE: 8}
    assert desk.got[-1] == [7]


async def test_at_the_end_what_waits_is_sent_without_gathering() -> None:
    desk = Desk(bounds=Bounds(gather_seconds=3600))
    desk.running = asyncio.create_task(desk.impressions.run())
    desk.add(2)
    assert await desk.end() == {Reported.DURABLE: 2}


async def test_adding_does_not_wait_for_a_collector_that_hangs() -> None:
    free = threading.Event()

    def hang(numbers: list[int]) -> Receipt:
        if not free.wait(60):
            raise CollectorRefuses("nothing else happened meanwhile")
        return taken(numbers)

    desk = Desk(hang)
    desk.add()
    desk.running = asyncio.create_task(desk.impressions.run())
    async with asyncio.timeout(60):
        while not desk.got:
            await asyncio.sleep(0)
    desk.add(5)  # the loop goes on
    free.set()
    assert await desk.end() == {Reported.DURABLE: 6}


@pytest.mark.parametrize(
    "bounds", [Bounds(impressions=3, gather_seconds=0), Bounds(items=7, gather_seconds=0)]
)
async def test_what_waits_is_bounded_and_the_rest_is_counted(bounds: Bounds) -> None:
    desk = Desk(bounds=bounds)
    desk.add(10, items=2)
    assert desk.counts == {Reported.DROPPED: 7}
    assert await desk.end() == {Reported.DURABLE: 3, Reported.DROPPED: 7}
    assert desk.got == [[0, 1, 2]]


async def test_there_is_room_again_after_a_request() -> None:
    desk = Desk(bounds=Bounds(items=4, gather_seconds=0))
    desk.add(2)
    await desk.sent(2)
    desk.add(2)
    assert await desk.end() == {Reported.DURABLE: 4}


async def test_a_busy_collector_gets_the_same_impressions_again() -> None:
    def once_busy(numbers: list[int]) -> Receipt:
        if len(desk.got) < 3:
            raise CollectorBusy("full")
        return taken(numbers)

    desk = Desk(once_busy)
    desk.add(2)
    assert await desk.sent(2) == {Reported.DURABLE: 2}
    assert desk.got == [[0, 1]] * 3
    await desk.end()


async def test_what_no_attempt_brought_is_dropped_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def busy(_: list[int]) -> Receipt:
        raise CollectorBusy("the store's memory is full")

    desk = Desk(busy)
    desk.add(2)
    assert await desk.sent(2) == {Reported.DROPPED: 2}
    assert len(desk.got) == 3
    desk.add(1)
    await desk.sent(3)
    assert [each.getMessage() for each in caplog.records] == [
        "impressions: 2 impressions are dropped: the store's memory is full"
    ], "it is logged once"
    desk.behaviour = taken
    desk.add(1)
    assert await desk.end() == {Reported.DROPPED: 3, Reported.DURABLE: 1}


async def test_a_refusal_is_not_repeated() -> None:
    def refuse(_: list[int]) -> Receipt:
        raise CollectorRefuses("status 404")

    desk = Desk(refuse)
    desk.add(2)
    assert await desk.sent(2) == {Reported.DROPPED: 2}
    assert len(desk.got) == 1
    await desk.end()


async def test_whatever_fails_later_impressions_are_sent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: list[int]) -> Receipt:
        raise KeyError("accepted")

    desk = Desk(broken)
    desk.add(2)
    assert await desk.sent(2) == {Reported.DROPPED: 2}
    with monkeypatch.context() as patched:
        patched.setattr(reporter, "bodies", lambda *_: broken([]))
        desk.add(3)
        await desk.sent(5)
    assert [each.getMessage() for each in caplog.records] == [
        "impressions: 2 impressions are dropped: KeyError('accepted')"
    ], "it is logged once"
    desk.behaviour = taken
    desk.add(1)
    assert await desk.end() == {Reported.DROPPED: 5, Reported.DURABLE: 1}


async def test_bodies_are_built_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def watched(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return bodies(*arguments)

    monkeypatch.setattr(reporter, "bodies", watched)
    desk = Desk()
    desk.add(2)
    assert await desk.end() == {Reported.DURABLE: 2}
    assert threading.main_thread() not in threads


async def test_rejected_impressions_are_counted_apart() -> None:
    desk = Desk(lambda numbers: Receipt(len(numbers) - 1, 1, "context.device: unknown"))
    desk.add(3)
    assert await desk.end() == {Reported.DURABLE: 2, Reported.REJECTED: 1}


async def test_the_end_does_not_wait_for_a_dead_collector() -> None:
    def busy(_: list[int]) -> Receipt:
        raise CollectorBusy("refused")

    desk = Desk(busy, Bounds(gather_seconds=0, batch=1, waits=(60.0,)))
    desk.add(5)
    assert await desk.end() == {Reported.DROPPED: 5}
    assert len(desk.got) == 1


async def test_requests_outside_of_the_share_are_not_reported() -> None:
    desk = Desk(share=0.0)
    desk.add(5)
    assert await desk.end() == {}
    assert desk.got == []
