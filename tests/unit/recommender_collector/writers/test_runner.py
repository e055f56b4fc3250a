"""The writers of a model run on, and the log is trimmed behind the slowest."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from recommender_collector.collector_metrics import Target, WriterMetrics
from recommender_collector.log.event_log import LogUnavailable
from recommender_collector.writers import runner
from recommender_collector.writers.runner import Runner, order
from tests.unit.recommender_collector.collector_fakes import MemoryLog


class Scripted:
    """A writer with prepared steps; after the last it stops the runner."""

    def __init__(self, target: Target, stop: asyncio.Event, *steps: str | Exception) -> None:
        self.target = target
        self._stop = stop
        self._steps = list(steps)

    async def step(self) -> str:
        await asyncio.sleep(0)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if len(self._steps) == 1:
            self._stop.set()
        if isinstance(step, Exception):
            raise step
        return step


def _metrics() -> tuple[WriterMetrics, CollectorRegistry]:
    registry = CollectorRegistry()
    return WriterMetrics(registry, ["shop"]), registry


async def test_the_log_is_trimmed_behind_the_slowest_writer() -> None:
    log, stop = MemoryLog(), asyncio.Event()
    fast = Scripted(Target.STORE, stop, "10-0", "10-1", "10-1", "10-1", "10-1", "10-1")
    slow = Scripted(Target.LAKE, asyncio.Event(), "0-0", "9-0", "9-0", "9-0", "9-0", "9-0")
    await Runner(log, "shop", [fast, slow], _metrics()[0]).run(stop)
    assert log.trimmed == ["9-0"]


async def test_a_log_that_starts_again_is_trimmed_again() -> None:
    log, stop = MemoryLog(), asyncio.Event()
    writer = Scripted(Target.STORE, stop, "10-0", "0-0", "4-0", "5-0", "5-0")
    await Runner(log, "shop", [writer], _metrics()[0]).run(stop)
    assert log.trimmed == ["10-0", "4-0", "5-0"]


async def test_a_failed_step_is_repeated_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "RETRY_SECONDS", (0.0,))
    log, stop = MemoryLog(), asyncio.Event()
    metrics, registry = _metrics()
    writer = Scripted(Target.STORE, stop, LogUnavailable("gone"), OSError("full"), "5-0", "5-0")
    await Runner(log, "shop", [writer], metrics).run(stop)
    assert log.trimmed == ["5-0"]
    labels = {"model": "shop", "target": "store"}
    assert registry.get_sample_value("recommender_writer_failures_total", labels) == 2


async def test_a_bug_ends_the_process_rather_than_loop() -> None:
    stop = asyncio.Event()
    writer = Scripted(Target.STORE, stop, ZeroDivisionError("bug"), "5-0")
    with pytest.raises(ExceptionGroup):
        await Runner(MemoryLog(), "shop", [writer], _metrics()[0]).run(stop)


async def test_a_bug_ends_a_writer_that_loses_its_cancellation() -> None:
    class Losing(Scripted):
        async def step(self) -> str:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return await super().step()

    stop = asyncio.Event()
    buggy = Scripted(Target.STORE, asyncio.Event(), ZeroDivisionError("bug"))
    losing = Losing(Target.LAKE, asyncio.Event(), "5-0", AssertionError("it went on"))
    async with asyncio.timeout(60):
        with pytest.raises(ExceptionGroup) as raised:
            await Runner(MemoryLog(), "shop", [losing, buggy], _metrics()[0]).run(stop)
    assert [type(each) for each in raised.value.exceptions] == [ZeroDivisionError]


async def test_a_writer_that_hangs_is_seen() -> None:
    now = 100.0
    writer = Scripted(Target.STORE, asyncio.Event(), "0-0")
    watched = Runner(MemoryLog(), "shop", [writer], _metrics()[0], lambda: now)
    assert watched.idle_seconds == 0
    now = 230.0
    assert watched.idle_seconds == 130


@given(st.tuples(st.integers(0, 10**14), st.integers(0, 10**6)),
       st.tuples(st.integers(0, 10**14), st.integers(0, 10**6)))  # fmt: skip
def test_offsets_are_ordered_as_numbers(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (order("{}-{}".format(*one)) < order("{}-{}".format(*other))) == (one < other)
