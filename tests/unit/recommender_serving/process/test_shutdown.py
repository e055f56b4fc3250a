"""A shutdown waits for impressions and traces within a time, even if their threads hang."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from recommender_contract.events import Source
from recommender_runtime.aio import in_daemon
from recommender_serving.domain.types import Answer
from recommender_serving.impressions.collector_client import Receipt
from recommender_serving.impressions.impression_events import AnsweredRequest, Origin
from recommender_serving.impressions.reporter import Bounds, Impressions
from recommender_serving.process import server
from tests.unit.recommender_serving.serving_samples import request


class Hanging:
    """A call that hangs until the end of the test."""

    def __init__(self) -> None:
        self.begun, self.freed, self.ended = (threading.Event() for _ in range(3))

    def __call__(self) -> None:
        self.begun.set()
        self.freed.wait(60)
        self.ended.set()


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.freed.set()


class Traces:
    """Traces whose export is a call."""

    request = stage = fell = metadata = staticmethod(lambda *_: nullcontext())

    def __init__(self, close: Hanging) -> None:
        self.close = close


def test_a_hanging_export_of_traces_is_left_behind(
    hanging: Hanging, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "TRACE_SECONDS", 0.01)
    asyncio.run(server._export(Traces(hanging)))  # type: ignore[arg-type]
    assert hanging.begun.is_set()
    assert not hanging.ended.is_set()
    assert "not all were exported" in caplog.text


def test_a_hanging_report_of_impressions_is_left_behind(
    hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "REPORT_SECONDS", 0.01)

    def post(_: bytes) -> Receipt:
        hanging()
        return Receipt(1, 0)

    async def run() -> None:
        origin = Origin("shop", "shop-1", "shop-1/0f")
        impressions = Impressions(post, origin, 1.0, {}, lambda *_: None, Bounds(gather_seconds=0))
        async with server._reporting(impressions), asyncio.timeout(60):
            answer = Answer((1,), (0.5,), Source.MODEL)
            impressions.add(AnsweredRequest(request(), answer, answer.items, "r", 5.0))
            while not hanging.begun.is_set():
                await asyncio.sleep(0)

    asyncio.run(run())
    assert not hanging.ended.is_set()


async def test_the_result_of_a_thread_is_returned_or_raised() -> None:
    assert await in_daemon(lambda: threading.current_thread().daemon)
    with pytest.raises(KeyError, match="why"):
        await in_daemon(lambda: dict[str, str]()["why"])


def test_a_thread_that_ends_after_its_loop_disturbs_nobody(hanging: Hanging) -> None:
    async def run() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await in_daemon(hanging)

    asyncio.run(run())
    hanging.freed.set()
    assert hanging.ended.wait(60)
