"""The chain always answers, and each fall of the model is counted by its reason."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.events import Source
from recommender_serving.domain.types import Answer, FallReason, RankerError, Ranking
from recommender_serving.ranking.circuit_breaker import CircuitBreaker
from recommender_serving.ranking.fallback_chain import popular, usable
from tests.unit.recommender_serving.serving_fakes import (
    GOOD,
    PLAIN,
    FakeRanker,
    HangingRanker,
    Parts,
    failing,
    giving,
)
from tests.unit.recommender_serving.serving_samples import (
    VOCABULARY,
    request,
    session,
    vocabulary_of,
)

NAN = Ranking((1, 2), (0.5, math.nan))
BROKEN: list[tuple[FakeRanker, FallReason]] = [
    (failing(RankerError(FallReason.ERROR)), FallReason.ERROR),
    (failing(RankerError(FallReason.TIMEOUT)), FallReason.TIMEOUT),
    (failing(RankerError(FallReason.SHAPE)), FallReason.SHAPE),
    (failing(ConnectionResetError()), FallReason.ERROR),
    (failing(TimeoutError()), FallReason.TIMEOUT),
    (failing(KeyError("surprise")), FallReason.ERROR),
    (giving(NAN), FallReason.NONFINITE),
    (giving(Ranking((1,), (math.inf,))), FallReason.NONFINITE),
    (giving(Ranking((1, 2), (0.5,))), FallReason.SHAPE),
    (giving(Ranking((), ())), FallReason.EMPTY),
]


def falls(parts: Parts) -> dict[str, float | None]:
    return {
        reason.value: parts.value("recommender_fallbacks_total", reason=reason.value)
        for reason in FallReason
    }


def one_fall(reason: FallReason) -> dict[str, float]:
    return {each.value: float(each is reason) for each in FallReason}


async def test_the_model_answers_while_it_is_well(tmp_path: Path) -> None:
    baseline = giving(PLAIN)
    parts = Parts(tmp_path, giving(GOOD), baseline)
    answer = await parts.chain.answer(request())
    assert answer == Answer((1, 2, 3), (0.9, 0.8, 0.7), Source.MODEL)
    assert set(falls(parts).values()) == {0.0}
    assert baseline.calls == 0


@pytest.mark.parametrize(("broken", "reason"), BROKEN)
async def test_a_broken_model_is_answered_for_by_the_baseline_and_counted(
    tmp_path: Path, broken: FakeRanker, reason: FallReason
) -> None:
    parts = Parts(tmp_path, broken, giving(PLAIN))
    answer = await parts.chain.answer(request())
    assert answer == Answer((21, 22, 23), (0.3, 0.2, 0.1), Source.BASELINE)
    assert falls(parts) == one_fall(reason)


@pytest.mark.parametrize(("broken", "reason"), BROKEN)
async def test_with_a_broken_baseline_too_the_popularity_list_answers(
    tmp_path: Path, broken: FakeRanker, reason: FallReason
) -> None:
    parts = Parts(tmp_path, broken, broken)
    answer = await parts.chain.answer(request())
    assert answer == Answer((7, 8, 9), (0.9, 0.8, 0.7), Source.POPULARITY)
    assert falls(parts) == one_fall(reason)  # the baseline's fall is no fall of the model


async def test_a_late_model_is_passed_over_and_counted(tmp_path: Path) -> None:
    parts = Parts(tmp_path, HangingRanker(), giving(PLAIN), timeout=0.01)
    assert (await parts.chain.answer(request())).source is Source.BASELINE
    assert falls(parts) == one_fall(FallReason.TIMEOUT)
    assert parts.breaker.in_flight == 0


async def test_with_both_late_the_popularity_list_answers(tmp_path: Path) -> None:
    parts = Parts(tmp_path, HangingRanker(), HangingRanker(), timeout=0.01)
    assert (await parts.chain.answer(request())).source is Source.POPULARITY


async def test_a_stuck_model_cannot_collect_requests(tmp_path: Path) -> None:
    stuck = HangingRanker()
    parts = Parts(tmp_path, stuck, giving(PLAIN), timeout=600, breaker=CircuitBreaker(limit=2))
    waiting = [asyncio.create_task(parts.chain.answer(request())) for _ in range(2)]
    while stuck.calls < 2:
        await asyncio.sleep(0)
    async with asyncio.timeout(60):
        shed = [await parts.chain.answer(request()) for _ in range(5)]
    assert {answer.source for answer in shed} == {Source.BASELINE}
    assert stuck.calls == 2
    assert falls(parts)["timeout"] == 5
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert parts.breaker.in_flight == 0


async def test_a_dead_model_is_tried_on_and_every_fall_counted(tmp_path: Path) -> None:
    dead = failing(ConnectionRefusedError())
    parts = Parts(tmp_path, dead, giving(PLAIN), breaker=CircuitBreaker(open_after=3))
    for _ in range(10):
        assert (await parts.chain.answer(request())).source is Source.BASELINE
    assert falls(parts)["error"] == 10
    dead.behaviour = lambda: GOOD
    assert (await parts.chain.answer(request())).source is Source.MODEL
    assert not parts.breaker.tripped


async def test_a_tripped_model_costs_the_others_no_wait(tmp_path: Path) -> None:
    stuck = HangingRanker()
    breaker = CircuitBreaker(open_after=1)
    assert breaker.admit() is None
    breaker.release(FallReason.TIMEOUT)
    parts = Parts(tmp_path, stuck, giving(PLAIN), timeout=600, breaker=breaker)
    trying = asyncio.create_task(parts.chain.answer(request()))
    await stuck.started.wait()
    async with asyncio.timeout(60):
        assert (await parts.chain.answer(request())).source is Source.BASELINE
    assert falls(parts)["timeout"] == 1
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
    st.integers(1, 20),
)
def test_a_usable_ranking_repeats_no_item_and_keeps_the_order(
    items: list[int], top_n: int
) -> None:
    scores = [1 / (1 + i) for i in range(len(items))]
    ranking = usable(Ranking(tuple(items), tuple(scores)), top_n)
    assert list(ranking.items) == list(dict.fromkeys(items))[:top_n]
    assert list(ranking.scores) == [scores[items.index(item)] for item in ranking.items]


LISTED = tuple((item, item / 100) for item in range(30, 20, -1))


@given(st.lists(st.integers(15, 35), max_size=20), st.integers(1, 20))
def test_the_popularity_list_leaves_out_the_session(seen: list[int], top_n: int) -> None:
    chosen = popular(
        LISTED, request(session=session(*seen), top_n=top_n), vocabulary_of(VOCABULARY)
    )
    fresh = [pair for pair in LISTED if pair[0] not in seen]
    assert chosen == (fresh or list(LISTED))[:top_n]
