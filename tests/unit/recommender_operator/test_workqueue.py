"""The queue keeps its promises for every order of events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.workqueue import BACKOFF_LIMIT, Observer, Schedule, WorkQueue


def schedule(limit: int = 100) -> Schedule[str]:
    return Schedule(limit, jitter=lambda: 0.5)


def test_a_key_added_twice_is_taken_once() -> None:
    queue = schedule()
    queue.add("a", 0)
    queue.add("a", 0)
    assert queue.take(0) == ("a", 0)
    assert queue.take(0) is None


def test_a_key_added_while_it_is_worked_on_is_taken_once_more_afterwards() -> None:
    queue = schedule()
    queue.add("a", 0)
    queue.take(0)
    queue.add("a", 1)
    queue.add("a", 1)
    assert queue.take(1) is None
    queue.done("a", 2)
    assert queue.take(2) == ("a", 1)
    queue.done("a", 3)
    assert queue.take(1e9) is None


def test_the_key_due_for_longest_comes_first() -> None:
    queue = schedule()
    queue.add("late", 5)
    queue.add("early", 3)
    assert queue.take(2) is None
    assert queue.next_due() == 3
    assert queue.take(9) == ("early", 3)
    assert queue.take(9) == ("late", 5)


def test_an_event_brings_a_later_look_forward_and_is_not_followed_by_it() -> None:
    queue = schedule()
    queue.add("a", 0)
    queue.take(0)
    queue.done("a", 0, again_after=60)
    queue.add("a", 10)
    assert queue.take(10) == ("a", 10)
    queue.done("a", 11)
    assert queue.next_due() is None


def test_errors_are_repeated_with_doubling_pauses_up_to_a_limit() -> None:
    queue = schedule()
    queue.add("a", 0)
    pauses = []
    now = 0.0
    for _ in range(12):
        taken = queue.take(now)
        assert taken is not None
        pauses.append(queue.failed("a", now))
        assert queue.take(now + pauses[-1] * 0.99) is None
        now += pauses[-1]
    assert pauses[:5] == [1, 2, 4, 8, 16]
    assert pauses[-1] == BACKOFF_LIMIT


def test_a_success_forgets_the_errors_before_it() -> None:
    queue = schedule()
    queue.add("a", 0)
    queue.take(0)
    queue.failed("a", 0)
    queue.take(1)
    queue.done("a", 1, again_after=1)
    queue.take(2)
    assert queue.failed("a", 2) == 1


def test_an_event_of_its_own_work_does_not_undo_the_pause() -> None:
    queue = schedule()
    queue.add("a", 0)
    queue.take(0)
    queue.add("a", 0)
    queue.failed("a", 0)
    assert queue.take(0.9) is None
    assert queue.take(1.0) is not None


def test_failing_keys_spread_out() -> None:
    values = iter([0.0, 1.0])
    queue: Schedule[str] = Schedule(10, jitter=lambda: next(values))
    queue.add("a", 0)
    queue.add("b", 0)
    queue.take(0)
    queue.take(0)
    assert (queue.failed("a", 0), queue.failed("b", 0)) == pytest.approx((0.8, 1.2))


def test_a_full_queue_refuses_new_keys_and_keeps_the_old() -> None:
    queue = schedule(limit=2)
    assert queue.add("a", 0)
    assert queue.add("b", 0)
    assert not queue.add("c", 0)
    assert queue.add("a", 0)
    queue.take(0)
    assert not queue.add("c", 0), "a key that is worked on still takes its room"
    queue.done("a", 0)
    assert queue.add("c", 0)


def test_the_queue_says_how_long_keys_wait_and_are_worked_on() -> None:
    queue = schedule()
    assert (queue.overdue(5), queue.longest_work(5), queue.depth(5)) == (0, 0, 0)
    queue.add("a", 1)
    queue.add("b", 2)
    queue.add("c", 100)
    assert (queue.overdue(5), queue.depth(5)) == (4, 2)
    queue.take(5)
    assert (queue.overdue(9), queue.longest_work(9), queue.working) == (7, 4, 1)


Steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "take", "done", "again", "fail"]),
        st.sampled_from("abc"),
        st.floats(0, 10),
    ),
    max_size=60,
)


@given(Steps)
def test_no_key_is_lost_and_none_is_in_two_hands(steps: list[tuple[str, str, float]]) -> None:
    queue = schedule()
    now = 0.0
    working: set[str] = set()
    wanted: set[str] = set()
    for verb, key, number in steps:
        now += number
        if verb == "add":
            queue.add(key, now)
            wanted.add(key)
        elif verb == "take":
            taken = queue.take(now)
            if taken is not None:
                assert taken[0] not in working
                working.add(taken[0])
                wanted.discard(taken[0])
        elif key in working:
            working.discard(key)
            if verb == "done":
                queue.done(key, now)
            elif verb == "again":
                queue.done(key, now, again_after=number)
                wanted.add(key)
            else:
                queue.failed(key, now)
                wanted.add(key)
    for key in working:
        queue.done(key, now)
    left = set()
    while (taken := queue.take(1e12)) is not None:
        left.add(taken[0])
    assert left == wanted


@contextlib.asynccontextmanager
async def running(
    work: Callable[[str], Awaitable[float | None]],
    *,
    workers: int = 3,
    limit: int = 100,
    observer: Observer[str] | None = None,
) -> AsyncIterator[WorkQueue[str]]:
    queue = WorkQueue(work, limit=limit, jitter=lambda: 0.5, observer=observer)
    task = asyncio.create_task(queue.run(workers))
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

    async with asyncio.timeout(10), running(work) as queue:
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

    async with asyncio.timeout(10), running(work, workers=1) as queue:
        queue.add("bad")
        queue.add("good")
        assert await seen.get() == "good"
        assert await seen.get() == "bad"
    assert "reconciling bad failed; again in 1.0 s" in caplog.text


async def test_what_the_work_returns_is_when_it_is_looked_at_again() -> None:
    looks = 0
    enough = asyncio.Event()

    async def work(_key: str) -> float:
        nonlocal looks
        looks += 1
        if looks == 3:
            enough.set()
        return 0.01

    async with asyncio.timeout(10), running(work) as queue:
        queue.add("a")
        await enough.wait()


async def test_a_dropped_key_and_each_wait_are_told() -> None:
    waits: list[float] = []
    dropped: list[str] = []
    release = asyncio.Event()

    async def work(_key: str) -> None:
        await release.wait()

    told = Observer(waited=waits.append, dropped=dropped.append)
    async with asyncio.timeout(10), running(work, limit=1, observer=told) as queue:
        queue.add("a")
        while not waits:
            await asyncio.sleep(0)
        queue.add("b")
        assert dropped == ["b"]
        release.set()


async def test_ending_the_workers_leaves_no_key_in_their_hands() -> None:
    started = asyncio.Event()

    async def work(_key: str) -> None:
        started.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(10), running(work) as queue:
        queue.add("a")
        await started.wait()
    assert queue.schedule.working == 0
