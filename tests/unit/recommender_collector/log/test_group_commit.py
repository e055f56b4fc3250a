"""Appends of many requests in one."""

from __future__ import annotations

import asyncio

import pytest

from recommender_collector.domain.lines import Line, Lines, digest
from recommender_collector.log.event_log import LogBusy, LogUnavailable
from recommender_collector.log.group_commit import GroupCommit
from tests.unit.recommender_collector.collector_fakes import MemoryLog
from tests.unit.recommender_collector.collector_garbage import without_garbage


class GatedLog(MemoryLog):
    """Its appends wait until the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def append(self, model: str, lines: Lines) -> list[int]:
        await self.gate.wait()
        return await super().append(model, lines)


def lines(*ids: str) -> Lines:
    return Lines.of(Line(digest(id_), id_.encode()) for id_ in ids)


async def _begin(commit: GroupCommit, *requests: Lines) -> list[asyncio.Task[list[int]]]:
    tasks = []
    for request in requests:
        tasks.append(asyncio.create_task(commit.append(request)))
        await asyncio.sleep(0)
    return tasks


async def test_requests_that_wait_share_the_next_append() -> None:
    log = GatedLog()
    commit = GroupCommit(log, "shop")
    tasks = await _begin(commit, lines("a"), lines("b", "c"), lines("d"), lines("e"))
    assert commit.waiting == 5
    log.gate.set()
    assert await asyncio.gather(*tasks) == [[], [], [], []]
    assert log.appends == [1, 4]
    assert commit.waiting == 0


async def test_each_request_learns_of_its_own_repeated_ids() -> None:
    log = GatedLog()
    commit = GroupCommit(log, "shop")
    tasks = await _begin(
        commit, lines("x"), lines("a", "x"), lines("b"), lines("x", "c", "a"), lines("b")
    )
    log.gate.set()
    assert await asyncio.gather(*tasks) == [[], [1], [], [0, 2], [0]]
    assert log.appends == [1, 7]


async def test_an_append_has_at_most_its_number_of_events() -> None:
    log = GatedLog()
    commit = GroupCommit(log, "shop", most=3)
    tasks = await _begin(commit, lines("a"), lines("b", "c"), lines("d", "e"), lines("f"))
    log.gate.set()
    await asyncio.gather(*tasks)
    assert log.appends == [1, 2, 3]


async def test_a_full_queue_refuses_and_takes_again_when_it_has_room() -> None:
    log = GatedLog()
    commit = GroupCommit(log, "shop", max_waiting=2)
    tasks = await _begin(commit, lines("a"), lines("b"))
    with pytest.raises(LogBusy, match="2 events wait"):
        await commit.append(lines("c"))
    log.gate.set()
    await asyncio.gather(*tasks)
    assert await commit.append(lines("c", "d")) == []


async def test_a_log_that_is_away_fails_all_that_wait_at_once() -> None:
    log = GatedLog()
    log.failures = [LogUnavailable("gone")]
    commit = GroupCommit(log, "shop", most=1)
    tasks = await _begin(commit, lines("a"), lines("b"), lines("c"))
    log.gate.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in found] == [LogUnavailable] * 3
    assert (commit.waiting, log.appends) == (0, [1])
    assert await commit.append(lines("d")) == []


async def test_an_append_that_is_refused_fails_its_requests_alone() -> None:
    failure = LogBusy("full")
    log = GatedLog()
    log.failures = [failure]
    commit = GroupCommit(log, "shop")
    tasks = await _begin(commit, lines("a"), lines("b"))
    log.gate.set()
    first, second = await asyncio.gather(*tasks, return_exceptions=True)
    assert first is failure
    assert second == []
    assert commit.waiting == 0


@pytest.mark.parametrize("failure", [LogBusy, ZeroDivisionError])
async def test_a_failed_append_leaves_no_cycle(failure: type[Exception]) -> None:
    log = GatedLog()
    log.failures = [failure("no")]
    log.gate.set()
    commit = GroupCommit(log, "shop")
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    with without_garbage():
        with pytest.raises((LogBusy, LogUnavailable)):
            await commit.append(lines("a"))
        await asyncio.sleep(0)


async def test_an_unexpected_failure_leaves_no_request_waiting() -> None:
    log = GatedLog()
    log.failures = [ZeroDivisionError("bug")]
    commit = GroupCommit(log, "shop")
    (task,) = await _begin(commit, lines("a"))
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    log.gate.set()
    with pytest.raises(LogUnavailable, match="ZeroDivisionError"):
        await task
    assert await commit.append(lines("b")) == []


async def test_a_client_that_goes_away_does_not_disturb_the_others() -> None:
    log = GatedLog()
    commit = GroupCommit(log, "shop")
    tasks = await _begin(commit, lines("a"), lines("b"), lines("c"))
    tasks[1].cancel()
    log.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[0] == results[2] == []
    assert isinstance(results[1], asyncio.CancelledError)


def texts(*sizes: int) -> Lines:
    """Lines of these sizes."""
    return Lines.of(Line(digest(f"{n} {size}"), b"x" * size) for n, size in enumerate(sizes))


async def test_an_append_has_at_most_its_bytes() -> None:
    log = GatedLog()
    commit = GroupCommit(log, "shop", size=10)
    tasks = await _begin(commit, texts(1), texts(2, 2), texts(3), texts(9), texts(10))
    log.gate.set()
    await asyncio.gather(*tasks)
    # 2 + 2 + 3 bytes and two line breaks; what has more than the rest waits for the next.
    assert log.appends == [1, 3, 1, 1]


async def test_a_request_of_more_bytes_is_appended_in_parts_of_which_none_is_lost() -> None:
    log = GatedLog()
    commit = GroupCommit(log, "shop", size=10)
    request = texts(4, 5, 30, 1, 1, 1, 1, 1, 1)
    tasks = await _begin(commit, request)
    log.gate.set()
    assert await asyncio.gather(*tasks) == [[]]
    assert log.appends == [2, 1, 5, 1]
    found = [line for record in log.records["shop"] for line in record.lines]
    assert found == [each.line for each in request]
    assert commit.waiting == 0


async def test_a_large_request_learns_of_its_repeated_ids_in_every_part() -> None:
    log = MemoryLog()
    commit = GroupCommit(log, "shop", size=3)
    await commit.append(lines("b", "f"))
    assert await commit.append(lines("a", "b", "c", "d", "a", "e", "f")) == [1, 4, 6]


async def test_of_a_large_request_that_fails_nothing_is_there_twice_when_it_is_sent_again() -> (
    None
):
    log = MemoryLog()
    commit = GroupCommit(log, "shop", size=3)
    log.failures = []
    many = lines("a", "b", "c", "d")
    real = log.append

    async def fails_later(model: str, lines: Lines) -> list[int]:
        if len(log.appends) == 1:
            log.failures = [LogBusy("full")]
        return await real(model, lines)

    log.append = fails_later  # type: ignore[method-assign]
    with pytest.raises(LogBusy):
        await commit.append(many)
    assert await commit.append(many) == [0, 1]
    assert commit.waiting == 0
    found = [line for record in log.records["shop"] for line in record.lines]
    assert found == [b"a", b"b", b"c", b"d"]


async def test_other_requests_have_their_turn_between_the_parts_of_a_large_one() -> None:
    log = GatedLog()
    commit = GroupCommit(log, "shop", size=10)
    large, small = await _begin(commit, texts(*[9] * 50), lines("a"))
    log.gate.set()
    await small
    assert not large.done()
    await large
