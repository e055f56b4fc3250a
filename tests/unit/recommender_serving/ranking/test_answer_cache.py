"""An answer is reused for an equal request only, and nobody is worse off for it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.events import Source
from recommender_serving.domain.selection import Selection
from recommender_serving.domain.types import Answer, Found, Past, RecommendRequest, SessionEvent
from recommender_serving.monitoring.drift_features import Bins
from recommender_serving.monitoring.session_memory import SessionMemory
from recommender_serving.ranking.answer_cache import Bounds, Cache, size_of
from recommender_serving.ranking.recommender import Recommender
from tests.unit.recommender_serving.serving_fakes import GOOD, PLAIN, Parts, failing, giving
from tests.unit.recommender_serving.serving_samples import request

BOUNDS = Bounds(seconds=5, entries=3, bytes=2**20)
ASKED = RecommendRequest(user_id=1, timestamp=1000, top_n=3)
OTHERS = {
    "user": {"user_id": 2},
    "length": {"top_n": 4},
    "new event": {"session": (SessionEvent(9, 999),)},
    "context": {"features": {"device": "phone"}},
    "known items": {"past": Past(known=frozenset({3}))},
    "unwanted items": {"past": Past(unwanted=frozenset({3}))},
    "seeds": {"selection": Selection(seeds=(3,))},
    "candidates": {"selection": Selection(candidates=(3,))},
    "excluded": {"selection": Selection(excluded=frozenset({3}))},
    "allow": {"selection": Selection(allow={"genre": frozenset({"Drama"})})},
    "deny": {"selection": Selection(deny={"genre": frozenset({"Drama"})})},
}


class Slow:
    """Answers each call with its number, once it is let go."""

    def __init__(
        self, source: Source = Source.MODEL, *, held: bool = False, cut_short: bool = False
    ) -> None:
        self.calls = 0
        self.cut_short = cut_short  # the first answer
        self.source = source
        self.go = asyncio.Event()
        if not held:
            self.go.set()

    async def answer(self, request: RecommendRequest, deadline: float | None = None) -> Answer:
        self.calls += 1
        number = self.calls
        await self.go.wait()
        await asyncio.sleep(0)
        return Answer((number,), (0.5,), self.source, self.cut_short and number == 1)


class Rig:
    def __init__(self, inner: Slow, bounds: Bounds = BOUNDS) -> None:
        self.inner = inner
        self.now = 0.0
        self.seen: Counter[Found] = Counter()
        self.sizes: tuple[int, int] = (0, 0)
        self.evicted = 0
        self.cache = Cache(inner, bounds, self._found, self._sized, lambda: self.now)

    def _found(self, found: Found) -> None:
        self.seen[found] += 1

    def _sized(self, entries: int, size: int, evicted: int) -> None:
        self.sizes = entries, size
        self.evicted += evicted

    async def ask(self, **changes: object) -> Answer:
        answer, _ = await self.cache.answer(dataclasses.replace(ASKED, **changes))  # type: ignore[arg-type]
        return answer


async def test_an_equal_request_gets_the_same_answer_without_a_call() -> None:
    rig = Rig(Slow())
    first = await rig.ask()
    assert await rig.ask(session_id="another") is first
    assert await rig.ask(timestamp=1003) is first
    assert rig.inner.calls == 1
    assert rig.seen == {Found.MISS: 1, Found.HIT: 2}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
async def test_a_request_that_differs_in_anything_is_another(changes: dict[str, object]) -> None:
    rig = Rig(Slow())
    await rig.ask()
    await rig.ask(**changes)
    assert rig.inner.calls == 2


async def test_an_answer_is_forgotten_after_its_time() -> None:
    rig = Rig(Slow())
    await rig.ask()
    rig.now = 4.9
    await rig.ask()
    assert rig.inner.calls == 1
    rig.now = 5.0
    await rig.ask()
    assert rig.inner.calls == 2


@pytest.mark.parametrize("timestamp", [994, 1006, 0])
async def test_a_request_about_another_time_is_asked_for(timestamp: int) -> None:
    rig = Rig(Slow())
    await rig.ask()
    await rig.ask(timestamp=timestamp)
    assert rig.inner.calls == 2


@pytest.mark.parametrize("source", [Source.BASELINE, Source.POPULARITY])
async def test_the_answer_of_a_fallback_is_never_kept(source: Source) -> None:
    rig = Rig(Slow(source))
    await rig.ask()
    await rig.ask()
    assert rig.inner.calls == 2
    assert rig.sizes == (0, 0)


async def test_equal_requests_at_once_share_one_call() -> None:
    rig = Rig(Slow(held=True))
    asking = [asyncio.create_task(rig.ask()) for _ in range(5)]
    other = asyncio.create_task(rig.ask(user_id=2))
    await asyncio.sleep(0)
    rig.inner.go.set()
    answers = await asyncio.gather(*asking)
    assert len({answer.items for answer in answers}) == 1
    await other
    assert rig.inner.calls == 2
    assert rig.seen == {Found.MISS: 2, Found.JOINED: 4}


async def test_a_shared_call_that_falls_back_does_not_start_a_herd() -> None:
    rig = Rig(Slow(Source.BASELINE, held=True))
    asking = [asyncio.create_task(rig.ask()) for _ in range(5)]
    await asyncio.sleep(0)
    rig.inner.go.set()
    await asyncio.gather(*asking)
    assert rig.inner.calls == 1


async def test_a_client_that_leaves_does_not_take_the_others_along() -> None:
    rig = Rig(Slow(held=True))
    first, *others = [asyncio.create_task(rig.ask()) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    rig.inner.go.set()
    assert all(answer.items for answer in await asyncio.gather(*others))


async def test_a_client_that_waits_for_a_shared_call_may_leave() -> None:
    rig = Rig(Slow(held=True))
    asking = [asyncio.create_task(rig.ask()) for _ in range(3)]
    await asyncio.sleep(0)
    left = asking.pop(1)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    rig.inner.go.set()
    assert all(answer.items for answer in await asyncio.gather(*asking))
    assert rig.inner.calls == 1


@pytest.mark.parametrize(
    ("leader", "other", "calls"),
    [(None, None, 1), (5.0, None, 1), (5.0, 9.0, 1), (None, 9.0, 2), (9.0, 5.0, 2)],
)
async def test_nobody_waits_for_a_call_that_may_end_too_late(
    leader: float | None, other: float | None, calls: int
) -> None:
    rig = Rig(Slow(held=True))
    asking = [
        asyncio.create_task(rig.cache.answer(ASKED, deadline)) for deadline in (leader, other)
    ]
    await asyncio.sleep(0)
    rig.inner.go.set()
    await asyncio.gather(*asking)
    assert rig.inner.calls == calls


@pytest.mark.parametrize(("cut_short", "calls"), [(False, 1), (True, 2)])
async def test_a_fallback_is_shared_unless_the_deadline_of_its_call_made_it(
    cut_short: bool, calls: int
) -> None:
    rig = Rig(Slow(Source.BASELINE, held=True, cut_short=cut_short))
    deadlines = (5.0, 5.01, 5.02, None)
    asking = [asyncio.create_task(rig.cache.answer(ASKED, deadline)) for deadline in deadlines]
    await asyncio.sleep(0)
    rig.inner.go.set()
    await asyncio.gather(*asking)
    assert rig.inner.calls == calls, "one of those that waited asks for the others"


async def test_the_least_recently_used_answers_give_way() -> None:
    rig = Rig(Slow())
    for user in (1, 2, 3):
        await rig.ask(user_id=user)
    await rig.ask(user_id=1)
    await rig.ask(user_id=4)
    assert (rig.sizes[0], rig.evicted) == (3, 1)
    await rig.ask(user_id=1)
    assert rig.inner.calls == 4
    await rig.ask(user_id=2)
    assert rig.inner.calls == 5


async def test_large_answers_give_way_before_there_are_too_many() -> None:
    one = size_of(ASKED, Answer((1,), (0.5,), Source.MODEL))
    rig = Rig(Slow(), Bounds(seconds=5, entries=100, bytes=2 * one))
    for user in range(5):
        await rig.ask(user_id=user)
    assert (rig.sizes, rig.evicted) == ((2, 2 * one), 3)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 40), st.floats(0, 4)), max_size=40),
    st.integers(1, 4),
    st.integers(1, 20_000),
)
def test_entries_and_bytes_never_exceed_their_bounds(
    asked: list[tuple[int, int, float]], entries: int, size: int
) -> None:
    async def run() -> None:
        rig = Rig(Slow(), Bounds(seconds=5, entries=entries, bytes=size))
        for user, length, pause in asked:
            rig.now += pause
            events = tuple(SessionEvent(item, 1) for item in range(length))
            answer = await rig.ask(user_id=user, session=events)
            assert answer.source is Source.MODEL
            kept = list(rig.cache._entries.values())
            assert len(kept) <= entries
            assert rig.cache._bytes == sum(entry.size for entry in kept) <= size
        assert not rig.cache._flights

    asyncio.run(run())


def recommender(parts: Parts) -> Recommender:
    bins = Bins(parts.artifact)
    cache = Cache(parts.chain, BOUNDS, parts.metrics.found, parts.metrics.cached, lambda: 0.0)
    ticks = iter(range(1_000_000))
    sessions = SessionMemory(lambda: 0.0)
    return Recommender(
        parts.chain, bins, sessions, parts.metrics, lambda: next(ticks) / 1000, cache=cache
    )


async def test_hits_are_requests_and_answers_but_no_durations_that_versions_are_compared_by(
    tmp_path: Path,
) -> None:
    parts = Parts(tmp_path, giving(GOOD), giving(PLAIN))
    cached = recommender(parts)
    for _ in range(4):
        await cached.recommend([request()])
    assert parts.value("recommender_requests_total", outcome="ok") == 4
    assert parts.value("recommender_answers_total", source="model") == 4
    assert parts.value("recommender_request_duration_seconds_count") == 1
    assert parts.value("transformer_answer_duration_seconds_count", source="model") == 4
    assert parts.value("transformer_cache_lookups_total", outcome="hit") == 3
    assert parts.value("transformer_cache_lookups_total", outcome="miss") == 1
    assert parts.value("transformer_cache_entries") == 1
    assert parts.value("transformer_cache_bytes")


async def test_while_the_model_fails_every_request_tries_it_again(tmp_path: Path) -> None:
    model = failing(ConnectionResetError())
    parts = Parts(tmp_path, model, giving(PLAIN))
    cached = recommender(parts)
    for _ in range(3):
        (answer,) = await cached.recommend([request()])
        assert answer.source is Source.BASELINE
    assert model.calls == 3
