"""Looks at the log: unready while its settings are at fault, and over when the process stops."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from recommender_collector.log.durability import NotDurable
from recommender_collector.log.event_log import Backlog
from recommender_collector.process import serve
from recommender_collector.process.serve import Watch


class Log:
    """An end of a log in Kafka: whether its settings are safe, and which looks were at them."""

    def __init__(self) -> None:
        self.is_safe = False
        self.looks: list[bool] = []

    async def check(self, *, settings: bool) -> None:
        self.looks.append(settings)
        if settings and not self.is_safe:
            raise NotDurable("set 3 and 2")


async def test_a_fault_of_the_settings_stays_until_a_look_at_them_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unused: Any = None
    log: Any = Log()
    watch = Watch(unused, unused, unused, unused, log)

    async def measure() -> None:
        """Nothing to measure."""

    monkeypatch.setattr(watch, "_measure", measure)
    await watch._look_at(settings=False)
    with pytest.raises(NotDurable):
        await watch._look_at(settings=True)
    with pytest.raises(NotDurable):
        await watch._look_at(settings=False)
    log.is_safe = True
    await watch._look_at(settings=False)
    await watch._look_at(settings=False)
    assert log.looks == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("fault", "said"),
    [(NotDurable("it may not write to it"), "it may not write to it"),
     (TimeoutError(), "TimeoutError")],
)  # fmt: skip
async def test_what_is_wrong_is_said_until_it_is_over(
    monkeypatch: pytest.MonkeyPatch, fault: Exception, said: str
) -> None:
    unused: Any = None
    watch = Watch(unused, unused, unused, unused, unused)
    stop = asyncio.Event()
    assert watch.problem
    faults: list[Exception | None] = [None, fault, None]
    seen = []

    async def look(*, settings: bool) -> None:
        del settings
        seen.append(watch.problem)
        found = faults.pop(0)
        if not faults:
            stop.set()
        if found is not None:
            raise found

    monkeypatch.setattr(watch, "_look", look)
    monkeypatch.setattr(serve, "LOOK_SECONDS", 0)
    async with asyncio.timeout(60):
        await watch.run(stop)
    assert seen == ["the log has not answered yet", "", said]
    assert watch.problem == ""


async def test_looking_ends_though_a_cancellation_is_lost_in_a_look() -> None:
    class Losing(Log):
        async def backlog(self) -> dict[str, Backlog]:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return {}

    unused: Any = None
    log: Any = Losing()
    watch = Watch(log, unused, unused, unused, log)
    stop = asyncio.Event()
    looking = asyncio.create_task(watch.run(stop))
    async with asyncio.timeout(60):
        while not log.looks:
            await asyncio.sleep(0)
        stop.set()
        looking.cancel()
        await looking
    assert len(log.looks) == 1
