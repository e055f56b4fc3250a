"""Workers take keys from the schedule, and only one worker has a key at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from recommender_operator.controller.workqueue import Observer, WorkQueue


@contextlib.asynccontextmanager
async def running(
    work: Callable[[str], Awaitable[float | None]],
    *,
    workers: int = 3,
    group: Callable[[str], str] | None = None,
    limit: int = 100,
    observer: Observer[str] | None = None,
) -> AsyncIterator[WorkQueue[str]]:
    queue = WorkQueue(
        work, workers=workers, group=group, limit=limit, jitter=lambda: 0.5, observer=observer
    )
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_workers_take_different_keys_at_the_same_time_and_one_key_never_twice() -> None:
    both = asyncio.Barrier(2)
    busy: set[str] = set()
    finished = asyncio.Queue[str]()

    async def work(key: str) -> None:
        assert key not in busy
        busy.add(key)
        await both.wait()
        busy.discard(key)
        finished.put_nowait(key)

    async with asyncio.timeout(60), running(work) as queue:
        for _ in range(2):
            queue.add("a")
            queue.add("b")
            assert {await finished.get(), await finished.get()} == {"a", "b"}


async def test_a_failing_key_holds_up_no_other_and_is_repeated(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = asyncio.Queue[str]()
    tries = 0

    async def work(key: str) -> None:
        nonlocal tries
        if key == "bad":
            tries += 1
            if tries == 1:
                raise ValueError("broken")
        seen.put_nowait(key)

    async with asyncio.timeout(60), running(work, workers=1) as queue:
        queue.add("bad")
        queue.add("good")
        assert await seen.get() == "good"
        assert await seen.get() == "bad"
    assert "reconciling bad failed; retry in 1.0 s" in caplog.text


async def test_the_work_returns_when_its_key_is_due_again() -> None:
    looks = 0
    enough = asyncio.Event()

    async def work(_key: str) -> float:
        nonlocal looks
        looks += 1
        if looks == 3:
            enough.set()
        return 0.01

    async with asyncio.timeout(60), running(work) as queue:
        queue.add("a")
        await enough.wait()


async def test_a_dropped_key_and_each_wait_are_reported() -> None:
    waits: list[float] = []
    dropped: list[str] = []
    release = asyncio.Event()

    async def work(_key: str) -> None:
        await release.wait()

    reported = Observer(waited=waits.append, dropped=dropped.append)
    async with asyncio.timeout(60), running(work, limit=1, observer=reported) as queue:
        queue.add("a")
        while not waits:
            await asyncio.sleep(0)
        queue.add("b")
        assert dropped == ["b"]
        release.set()


async def test_stopping_the_workers_leaves_no_key_in_work() -> None:
    started = asyncio.Event()

    async def work(_key: str) -> None:
        started.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(60), running(work) as queue:
        queue.add("a")
        await started.wait()
    assert queue.schedule.working == 0


async def test_a_namespace_of_slow_looks_leaves_a_worker_to_the_others() -> None:
    started, release = asyncio.Queue[str](), asyncio.Event()

    async def work(key: str) -> None:
        started.put_nowait(key)
        if key.startswith("noisy"):
            await release.wait()

    def space(key: str) -> str:
        return key.partition("/")[0]

    async with asyncio.timeout(60), running(work, workers=3, group=space) as queue:
        for number in range(5):
            queue.add(f"noisy/{number}")
        assert {await started.get(), await started.get()} == {"noisy/0", "noisy/1"}
        queue.add("quiet/a")
        assert await started.get() == "quiet/a"
        queue.add("quiet/b")
        assert await started.get() == "quiet/b"
        release.set()
        assert {await started.get() for _ in range(3)} == {f"noisy/{n}" for n in (2, 3, 4)}


async def test_workers_that_may_take_nothing_wait_instead_of_spinning() -> None:
    takes = 0
    started = asyncio.Event()

    async def work(_key: str) -> None:
        started.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(60), running(work, workers=2, group=lambda _: "one") as queue:
        take = queue.schedule.take

        def counted(now: float) -> tuple[str, float] | None:
            nonlocal takes
            takes += 1
            return take(now)

        queue.schedule.take = counted  # type: ignore[method-assign]
        queue.add("a")
        queue.add("b")
        await started.wait()
        before = takes
        for _ in range(200):
            await asyncio.sleep(0)
        assert takes - before < 5


async def test_a_key_wakes_one_idle_worker_and_not_all() -> None:
    takes = 0
    seen = asyncio.Queue[str]()

    async def work(key: str) -> None:
        seen.put_nowait(key)

    async with asyncio.timeout(60), running(work, workers=50) as queue:
        await asyncio.sleep(0)
        take = queue.schedule.take

        def counted(now: float) -> tuple[str, float] | None:
            nonlocal takes
            takes += 1
            return take(now)

        queue.schedule.take = counted  # type: ignore[method-assign]
        for key in "abc":
            queue.add(key)
            assert await seen.get() == key
        for _ in range(200):
            await asyncio.sleep(0)
        # The key, an empty look by the next worker, and one after the work has ended.
        assert takes <= 3 * 3
