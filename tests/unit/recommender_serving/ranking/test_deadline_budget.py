"""A client's deadline is kept: faster fallbacks answer, and no model is blamed for it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.events import Source
from recommender_serving.domain.types import FallReason, Ranking
from recommender_serving.ranking.circuit_breaker import CircuitBreaker
from recommender_serving.ranking.deadline_budget import LEAST, RESERVE, stage_timeout
from recommender_serving.triton.inputs import Tensors
from tests.unit.recommender_serving.serving_fakes import (
    GOOD,
    PLAIN,
    FakeRanker,
    HangingRanker,
    Parts,
    giving,
)
from tests.unit.recommender_serving.serving_samples import request


@given(st.lists(st.floats(0.01, 5), min_size=1, max_size=3), st.floats(-1, 10))
def test_the_shares_fit_into_the_time_that_is_left(timeouts: list[float], left: float) -> None:
    spent = 0.0
    for index, timeout in enumerate(timeouts):
        seconds = stage_timeout(timeouts[index:], left - spent)
        assert seconds == 0 or LEAST <= seconds <= timeout
        spent += seconds  # the model takes all of it
    assert spent <= max(0.0, left - RESERVE) + 1e-9


@given(st.floats(0.01, 5), st.floats(0.01, 5), st.floats(0.01, 20))
def test_the_first_model_has_most_of_a_short_time(first: float, later: float, left: float) -> None:
    seconds = stage_timeout([first, later], left)
    if seconds:
        assert seconds >= min(first, (left - RESERVE) * 2 / 3 - 1e-9)
    assert stage_timeout([first, later], first + later + RESERVE + 1e-6) == pytest.approx(first)


class Noting(FakeRanker):
    """Answers, and keeps the time it was given."""

    def __init__(self, ranking: Ranking) -> None:
        super().__init__(lambda: ranking)
        self.given = 0.0

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:
        self.given = timeout
        return await super().rank(tensors, top_n, timeout)


def soon(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_a_model_is_told_how_long_it_has(tmp_path: Path) -> None:
    model = Noting(GOOD)
    parts = Parts(tmp_path, model, giving(PLAIN), timeout=5)
    assert (await parts.chain.answer(request(), soon(3))).source is Source.MODEL
    assert 0 < model.given < 2
    await parts.chain.answer(request())
    assert model.given == 5


async def test_a_model_cut_short_is_answered_for_and_not_blamed(tmp_path: Path) -> None:
    breaker = CircuitBreaker(open_after=1)
    parts = Parts(tmp_path, HangingRanker(), giving(PLAIN), timeout=600, breaker=breaker)
    async with asyncio.timeout(60):
        answer = await parts.chain.answer(request(), soon(0.3))
    assert (answer.source, answer.cut_short) == (Source.BASELINE, True)
    assert (breaker.tripped, breaker.in_flight) == (False, 0)
    for reason in FallReason:
        assert parts.value("recommender_fallbacks_total", reason=reason) == 0


async def test_a_model_with_its_whole_timeout_is_blamed(tmp_path: Path) -> None:
    parts = Parts(tmp_path, HangingRanker(), giving(PLAIN), timeout=0.01)
    answer = await parts.chain.answer(request(), soon(30))
    assert (answer.source, answer.cut_short) == (Source.BASELINE, False)
    assert parts.value("recommender_fallbacks_total", reason="timeout") == 1


@pytest.mark.parametrize("left", [0.0, -5.0, 0.0005])
async def test_without_time_the_popularity_list_answers_at_once(
    tmp_path: Path, left: float
) -> None:
    model, baseline = giving(GOOD), giving(PLAIN)
    parts = Parts(tmp_path, model, baseline)
    answer = await parts.chain.answer(request(), soon(left))
    assert (answer.source, answer.cut_short) == (Source.POPULARITY, True)
    assert (model.calls, baseline.calls) == (0, 0)


async def test_the_instances_of_a_call_share_its_deadline(tmp_path: Path) -> None:
    parts = Parts(tmp_path, HangingRanker(), HangingRanker(), timeout=600)
    async with asyncio.timeout(60):
        answers = await parts.recommender.recommend([request()] * 40, soon(0.3))
    assert {answer.source for answer in answers} == {Source.POPULARITY}
