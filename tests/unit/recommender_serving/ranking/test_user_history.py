"""What users did becomes the session of their next request, and what it leaves out."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from recommender_serving.domain.types import NOBODY, Lookup, Past, RecommendRequest, SessionEvent
from recommender_serving.ranking.circuit_breaker import CircuitBreaker
from recommender_serving.ranking.user_history import History
from recommender_serving.store.user_reader import StoreError, User

NOW = 1_795_000_000
OLD, CLICK = SessionEvent(3, NOW - 86_400), SessionEvent(5, NOW - 10, 3.0)
NOT_YET = SessionEvent(4, NOW)
REQUEST = RecommendRequest(user_id=7, timestamp=NOW, top_n=10)


class Users:
    """Answers, fails, or never answers."""

    def __init__(
        self, answer: tuple[SessionEvent, ...] | Exception | None, past: Past | None = None
    ) -> None:
        self.answer = answer
        self.past = past or Past()
        self.hides = past is not None
        self.reads = 0

    async def read(self, user: int) -> User:
        assert user == 7
        self.reads += 1
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        assert self.answer is not None
        return User(self.answer, self.past)


class Desk:
    def __init__(
        self,
        answer: tuple[SessionEvent, ...] | Exception | None,
        budget: float = 5.0,
        past: Past | None = None,
    ) -> None:
        self.users = Users(answer, past)
        self.counts: Counter[Lookup] = Counter()
        breaker = CircuitBreaker(limit=4, open_after=3)
        self.history = History(self.users, self._count, 2, budget, breaker, trusting=True)

    def _count(self, outcome: Lookup) -> None:
        self.counts[outcome] += 1


async def test_a_request_without_a_session_gets_as_many_events_as_the_models_read() -> None:
    desk = Desk((OLD, OLD, CLICK))
    assert (await desk.history.complete(REQUEST)).session == (OLD, CLICK)
    assert desk.counts == {Lookup.FOUND: 1}


PAST = Past(frozenset({3, 5}), frozenset({9}))


async def test_a_request_has_the_past_of_its_user_also_without_a_session() -> None:
    found = await Desk((NOT_YET,), past=PAST).history.complete(REQUEST)
    assert (found.session, found.past) == ((), PAST)


async def test_a_request_with_a_session_keeps_it_and_has_the_past() -> None:
    desk = Desk((CLICK,), past=PAST)
    given = RecommendRequest(user_id=7, timestamp=NOW, top_n=10, session=(OLD,))
    found = await desk.history.complete(given)
    assert (found.session, found.past) == ((OLD,), PAST)
    assert desk.counts == {Lookup.FOUND: 1}


async def test_a_request_of_nobody_has_no_past() -> None:
    desk = Desk((CLICK,), past=PAST)
    given = RecommendRequest(user_id=NOBODY, timestamp=NOW, top_n=10, session=(OLD,))
    assert await desk.history.complete(given) is given
    assert desk.users.reads == 0


async def test_the_session_of_a_request_counts_alone() -> None:
    desk = Desk((CLICK,))
    given = RecommendRequest(user_id=7, timestamp=NOW, top_n=10, session=(OLD,))
    assert await desk.history.complete(given) is given
    assert desk.users.reads == 0


@pytest.mark.parametrize("recent", [(), (NOT_YET,)])
async def test_a_user_who_did_nothing_before_has_no_session(
    recent: tuple[SessionEvent, ...],
) -> None:
    desk = Desk(recent)
    assert await desk.history.complete(REQUEST) is REQUEST
    assert desk.counts == {Lookup.NOTHING: 1}


async def test_a_store_that_fails_costs_the_session_and_not_the_answer() -> None:
    desk = Desk(StoreError("gone"))
    assert await desk.history.complete(REQUEST) is REQUEST
    assert desk.counts == {Lookup.ERROR: 1}


async def test_a_slow_store_costs_its_budget_and_not_the_answer() -> None:
    desk = Desk(None, budget=0.001)
    assert await desk.history.complete(REQUEST) is REQUEST
    assert desk.counts == {Lookup.TIMEOUT: 1}


async def test_after_failures_in_a_row_one_look_at_a_time_goes_through() -> None:
    desk = Desk(StoreError("gone"))
    for _ in range(3):
        await desk.history.complete(REQUEST)
    desk.users.answer = None
    waiting = asyncio.create_task(desk.history.complete(REQUEST))
    await asyncio.sleep(0)
    assert [await desk.history.complete(REQUEST) for _ in range(5)] == [REQUEST] * 5
    assert desk.users.reads == 4, "five requests did not wait"
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    desk.users.answer = (CLICK,)
    assert (await desk.history.complete(REQUEST)).session == (CLICK,)
    assert (await desk.history.complete(REQUEST)).session == (CLICK,)
