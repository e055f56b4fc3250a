"""Appends of many requests in one."""

from __future__ import annotations

import asyncio

import pytest

from recommender_collector.domain.lines import Line, Lines, digest
from recommender_collector.log.group_commit import GroupCommit
from recommender_collector.log.port import LogBusy, LogUnavailable
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
