"""The breaker bounds what is in flight, and lets one call at a time through to a failing model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_serving.domain.types import FallReason
from recommender_serving.ranking.circuit_breaker import CircuitBreaker


def fail(breaker: CircuitBreaker, times: int, reason: FallReason = FallReason.ERROR) -> None:
    for _ in range(times):
        assert breaker.admit() is None
        breaker.release(reason)


def test_calls_beyond_the_limit_are_turned_away_as_late() -> None:
    breaker = CircuitBreaker(limit=2)
    assert [breaker.admit() for _ in range(3)] == [None, None, FallReason.TIMEOUT]
    breaker.release(None)
    assert breaker.admit() is None


@pytest.mark.parametrize("reason", [FallReason.ERROR, FallReason.TIMEOUT])
def test_after_failures_in_a_row_one_call_at_a_time_is_tried(reason: FallReason) -> None:
    breaker = CircuitBreaker(open_after=3)
    fail(breaker, 3, reason)
    assert breaker.tripped
    assert breaker.admit() is None  # the try
    assert breaker.admit() is reason
    breaker.release(reason)
    assert breaker.admit() is None  # the next try


def test_one_success_admits_all_calls_again() -> None:
    breaker = CircuitBreaker(open_after=3)
    fail(breaker, 5)
    assert breaker.admit() is None
    breaker.release(None)
    assert [breaker.admit() for _ in range(5)] == [None] * 5


@pytest.mark.parametrize("reason", [FallReason.NONFINITE, FallReason.EMPTY, FallReason.SHAPE])
def test_a_model_that_answers_badly_is_asked_on(reason: FallReason) -> None:
    breaker = CircuitBreaker(open_after=3)
    fail(breaker, 50, reason)
    assert not breaker.tripped


def test_failures_now_and_then_trip_nothing() -> None:
    breaker = CircuitBreaker(open_after=3)
    for _ in range(20):
        fail(breaker, 2)
        assert breaker.admit() is None
        breaker.release(None)
    assert not breaker.tripped


def test_short_waits_count_as_parts_of_a_failure_until_a_success() -> None:
    breaker = CircuitBreaker(open_after=2)
    for parts, last in ((4, None), (7, None), (8, FallReason.TIMEOUT)):
        for _ in range(parts):
            assert breaker.admit() is None
            breaker.abandon(0.25)
        assert breaker.tripped == (last is not None)
        if last is None:
            assert breaker.admit() is None
            breaker.release(None)
    assert breaker.admit() is None
    assert breaker.admit() is FallReason.TIMEOUT
    breaker.abandon()
    assert breaker.tripped


@given(st.lists(st.sampled_from(["admit", "ok", "fail", "abandon"])), st.integers(1, 4))
def test_places_are_never_lost_and_never_exceeded(steps: list[str], limit: int) -> None:
    breaker = CircuitBreaker(limit=limit, open_after=2)
    held = 0
    for step in steps:
        if step == "admit":
            held += breaker.admit() is None
        elif held:
            held -= 1
            if step == "abandon":
                breaker.abandon()
            else:
                breaker.release(FallReason.ERROR if step == "fail" else None)
        assert breaker.in_flight == held <= limit
    while held:
        held -= 1
        breaker.release(None)
    assert breaker.admit() is None
