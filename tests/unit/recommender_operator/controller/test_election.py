"""The election against an in-memory API server, with a controlled clock."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from recommender_operator.controller import election
from recommender_operator.controller.election import LEASES, Elector, LostLeaseError
from recommender_operator.controller.kube import ConflictError, KubeError, NotLeaderError
from recommender_operator.controller.lease import Record, Terms
from tests.fakes.kube import FakeKube

TERMS = Terms(10)


class Bench:
    """Processes that share a Lease; `asyncio.sleep` advances the clock of all."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.kube = FakeKube()
        self.events: list[Callable[[], None]] = []

    def elector(self, identity: str, *, terms: Terms = TERMS) -> Elector:
        return Elector(
            self.kube,
            namespace="team",
            name="operator",
            identity=identity,
            terms=terms,
            clock=lambda: self.time,
            jitter=lambda: 0.0,
        )

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        for event in self.events:
            event()
        await REAL_SLEEP(0)

    @property
    def record(self) -> Record:
        return Record.of(self.kube.find(LEASES, "operator"))


REAL_SLEEP = asyncio.sleep


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench()
    monkeypatch.setattr(election.asyncio, "sleep", made.sleep)  # type: ignore[attr-defined]
    return made


@contextlib.asynccontextmanager
async def kept(elector: Elector) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(elector.keep())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def turns(count: int = 50) -> None:
    for _ in range(count):
        await REAL_SLEEP(0)


def away(_verb: str, _resource: Any, _name: str) -> KubeError:
    return KubeError("no answer")


def answering(_verb: str, _resource: Any, _name: str) -> None:
    return None


async def test_the_first_process_leads_at_once_and_writes_the_lease(bench: Bench) -> None:
    first = bench.elector("a")
    with pytest.raises(NotLeaderError, match="does not lead"):
        first.fence()
    await first.acquire()
    first.fence()
    assert (bench.record.holder, bench.record.duration, bench.time) == ("a", 10, 1000)


async def test_a_standby_waits_while_the_leader_renews(bench: Bench) -> None:
    first, second = bench.elector("a"), bench.elector("b")
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    async with kept(first):
        await turns(500)
        assert bench.time > 1100
        assert not waiting.done()
        assert first.leads
        assert not second.leads
    waiting.cancel()


async def test_a_standby_leads_within_fifteen_seconds_of_a_kill(bench: Bench) -> None:
    first, second = bench.elector("a"), bench.elector("b")
    await first.acquire()
    await second.acquire()
    assert 10 <= bench.time - 1000 < 13
    assert (bench.record.holder, bench.record.transitions) == ("b", 1)


class Caches:
    """What a standby does, with the time."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.done: list[tuple[str, float]] = []

    async def prepare(self) -> None:
        self.done.append(("prepare", self._bench.time))

    async def stand_down(self) -> None:
        self.done.append(("stand down", self._bench.time))

    @property
    def words(self) -> list[str]:
        return [word for word, _ in self.done]


async def test_a_standby_prepares_once_when_the_leader_misses_renewals_and_before_it_leads(
    bench: Bench,
) -> None:
    first, second, caches = bench.elector("a"), bench.elector("b"), Caches(bench)
    await first.acquire()
    waiting = asyncio.create_task(second.acquire(caches))
    async with kept(first):
        await turns(500)
        assert caches.done == []
    await waiting
    ((word, at),) = caches.done
    assert word == "prepare"
    assert TERMS.duration / 2 - TERMS.retry <= bench.time - at <= TERMS.duration / 2 + TERMS.retry


async def test_a_standby_stands_down_when_the_leader_renews_after_all_and_prepares_again_later(
    bench: Bench,
) -> None:
    first, second, caches = bench.elector("a"), bench.elector("b"), Caches(bench)
    await first.acquire()
    waiting = asyncio.create_task(second.acquire(caches))
    while not caches.done:
        await REAL_SLEEP(0)
    await first._attempt(first._renew)
    await turns(3)
    assert caches.words == ["prepare", "stand down"]
    await waiting
    assert caches.words == ["prepare", "stand down", "prepare"]
    assert second.leads


async def test_a_standby_that_cannot_read_the_lease_prepares_nothing(bench: Bench) -> None:
    first, second, caches = bench.elector("a"), bench.elector("b"), Caches(bench)
    await first.acquire()
    waiting = asyncio.create_task(second.acquire(caches))
    await turns(2)
    bench.kube.fault = away
    await turns(500)
    assert bench.time > 1000 + TERMS.duration
    assert caches.done == []
    bench.kube.fault = answering
    await waiting
    assert caches.done == []


async def test_a_standby_that_prepared_before_an_outage_starts_anew_when_it_leads(
    bench: Bench,
) -> None:
    first, second, caches = bench.elector("a"), bench.elector("b"), Caches(bench)
    await first.acquire()
    waiting = asyncio.create_task(second.acquire(caches))
    while not caches.done:
        await REAL_SLEEP(0)
    bench.kube.fault = away
    await turns(500)
    assert caches.words == ["prepare"]
    bench.kube.fault = answering
    await waiting
    assert caches.words == ["prepare", "stand down"]


async def test_after_a_graceful_shutdown_a_standby_waits_at_most_one_pause(bench: Bench) -> None:
    first, second = bench.elector("a"), bench.elector("b")
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await REAL_SLEEP(0)
    await first.release()
    ended = bench.time
    await waiting
    assert bench.time - ended <= TERMS.retry + 0.1
    with pytest.raises(NotLeaderError):
        first.fence()


async def test_the_fence_closes_before_another_process_may_lead(bench: Bench) -> None:
    first, second = bench.elector("a"), bench.elector("b")
    await first.acquire()
    bench.events.append(lambda: leaders.append((first.leads, second.leads)))
    leaders: list[tuple[bool, bool]] = []
    await second.acquire()
    leaders.append((first.leads, second.leads))
    assert (True, True) not in leaders
    assert (True, False) in leaders
    assert leaders[-1] == (False, True)


async def test_a_frozen_leader_ends_when_another_has_led(bench: Bench) -> None:
    first, second = bench.elector("a"), bench.elector("b")
    await first.acquire()
    await second.acquire()
    with pytest.raises(LostLeaseError, match="held by b"):
        await first.keep()
    with pytest.raises(NotLeaderError):
        first.fence()


async def test_a_frozen_leader_ends_even_if_the_other_has_released_the_lease(bench: Bench) -> None:
    first, second = bench.elector("a"), bench.elector("b")
    await first.acquire()
    await second.acquire()
    await second.release()
    with pytest.raises(LostLeaseError, match="held by nobody"):
        await first.keep()


async def test_a_leader_whose_lease_was_deleted_ends(bench: Bench) -> None:
    first = bench.elector("a")
    await first.acquire()
    bench.kube.objects.clear()
    with pytest.raises(LostLeaseError, match="deleted"):
        await first.keep()


async def test_an_api_outage_of_ten_minutes_closes_the_fence_but_ends_no_process(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    first = bench.elector("a")
    await first.acquire()
    async with kept(first) as task:
        bench.kube.fault = away
        while bench.time < 1600:
            await REAL_SLEEP(0)
        assert not first.leads
        assert not task.done()
        with pytest.raises(NotLeaderError, match=r"the deadline is 7.0 s"):
            first.fence()
        assert first.untried <= 2
        assert first.unanswered > 590
        bench.kube.fault = lambda *_: None
        while not first.leads:
            await REAL_SLEEP(0)
    assert bench.record.transitions == 0
    assert "no other process led in between" in caplog.text
    assert caplog.text.count("cannot be read or written") == 1


async def test_a_renewal_with_a_lost_response_does_not_lose_the_lease(bench: Bench) -> None:
    first = bench.elector("a")
    await first.acquire()
    bench.kube.touch(LEASES, "operator")
    async with kept(first):
        await turns()
        assert first.leads
        assert bench.time > 1010


async def test_only_one_of_two_processes_that_take_the_lease_at_once_leads(bench: Bench) -> None:
    both = [bench.elector("a"), bench.elector("b")]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(elector.acquire()) for elector in both]
        while not any(task.done() for task in tasks):
            await REAL_SLEEP(0)
        assert [elector.leads for elector in both].count(True) == 1
        for task in tasks:
            task.cancel()


def ends(task: asyncio.Task[None]) -> Callable[[], None]:
    def cancel() -> None:
        task.cancel()

    return cancel


async def test_a_request_without_an_answer_ends_with_the_deadline(bench: Bench) -> None:
    class Silent(FakeKube):
        async def get(self, *_: Any) -> Any:
            await asyncio.Event().wait()

    bench.kube = Silent()
    first = bench.elector("a", terms=Terms(1))
    task = asyncio.create_task(first.acquire())
    await asyncio.wait([task], timeout=0)
    bench.events.append(ends(task))
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 60)


async def test_a_holder_that_cannot_release_the_lease_ends_anyway(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    first = bench.elector("a")
    await first.acquire()
    bench.kube.fault = away
    await first.release()
    assert "will expire" in caplog.text
    assert not first.leads


async def test_a_standby_releases_nothing(bench: Bench) -> None:
    first, second = bench.elector("a"), bench.elector("b")
    await first.acquire()
    await second.release()
    assert bench.record.holder == "a"


async def test_a_leader_that_lost_its_lease_writes_and_releases_nothing_more(
    bench: Bench,
) -> None:
    first = bench.elector("a")
    await first.acquire()
    lease = bench.kube.touch(LEASES, "operator")
    lease["spec"]["holderIdentity"] = "b"
    with pytest.raises(LostLeaseError):
        await first.keep()
    assert bench.time - 1000 < TERMS.deadline
    with pytest.raises(NotLeaderError, match="does not lead"):
        first.fence()
    writes = list(bench.kube.writes)
    await first.release()
    assert bench.kube.writes == writes


async def test_a_conflict_counts_as_a_response(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = bench.elector("a"), bench.elector("b")
    await first.acquire()
    bench.time += 60
    await second._attempt(second._take)
    bench.time += 60

    def quicker(verb: str, *_: Any) -> KubeError | None:
        return ConflictError("it has changed", status=409) if verb == "patch" else None

    bench.kube.fault = quicker
    assert not await second._attempt(second._take)
    assert second.unanswered == 0
    assert "cannot be read or written" not in caplog.text


@pytest.mark.parametrize("verb", ["get", "patch"])
async def test_a_renewal_counts_from_before_its_request(bench: Bench, verb: str) -> None:
    """Others count from the time of their read, which may be as early as the request."""
    first = bench.elector("a")
    await first.acquire()
    bench.kube.find(LEASES, "operator")["spec"]["holderIdentity"] = ""

    def slow(made: str, *_: Any) -> None:
        bench.time += 3 if made == verb else 0

    bench.kube.fault = slow
    step = first._take if verb == "get" else first._renew
    assert await first._attempt(step)
    bench.time += TERMS.deadline - 2.9
    with pytest.raises(NotLeaderError, match="deadline"):
        first.fence()


async def test_a_holder_without_a_response_to_the_release_ends_anyway(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = bench.elector("a")
    await first.acquire()

    async def silent(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(bench.kube, "patch", silent)
    monkeypatch.setattr(election, "RELEASE_SECONDS", 0.01)
    await asyncio.wait_for(first.release(), 60)
    assert "will expire" in caplog.text


async def test_a_lease_that_was_created_again_since_it_was_read_is_not_taken(bench: Bench) -> None:
    first, second = bench.elector("a"), bench.elector("b")
    await first.acquire()
    await second._attempt(second._take)
    bench.time += 60

    def replace(verb: str, *_: Any) -> None:
        if verb == "patch":
            bench.kube.find(LEASES, "operator")["metadata"]["uid"] = "uid-of-another"

    bench.kube.fault = replace
    assert not await second._attempt(second._take)
    assert bench.record.holder == "a"


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="only Linux has this clock")
def test_the_clock_is_the_one_that_counts_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[int] = []

    def gettime(clock: int) -> float:
        requested.append(clock)
        return 1.0

    monkeypatch.setattr(time, "clock_gettime", gettime)
    election.clock()
    assert requested == [time.CLOCK_BOOTTIME]


def test_the_clock_counts_in_a_stopped_process() -> None:
    assert election.clock() >= time.monotonic() - 1
