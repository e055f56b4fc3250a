"""The guard bounds what is in flight, and lets one call at a time through to a failing model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_serving.guard import Guard
from recommender_serving.types import FallReason


def fail(guard: Guard, times: int, reason: FallReason = FallReason.ERROR) -> None:
    for _ in range(times):
        assert guard.admit() is None
        guard.release(reason)


def test_calls_beyond_the_limit_are_turned_away_as_late() -> None:
    guard = Guard(limit=2)
    assert [guard.admit() for _ in range(3)] == [None, None, FallReason.TIMEOUT]
    guard.release(None)
    assert guard.admit() is None


@pytest.mark.parametrize("reason", [FallReason.ERROR, FallReason.TIMEOUT])
def test_after_failures_in_a_row_one_call_at_a_time_is_tried(reason: FallReason) -> None:
    guard = Guard(open_after=3)
    fail(guard, 3, reason)
    assert guard.tripped
    assert guard.admit() is None  # the try
    assert guard.admit() is reason
    guard.release(reason)
    assert guard.admit() is None  # the next try


def test_one_success_opens_the_gate_for_all() -> None:
    guard = Guard(open_after=3)
    fail(guard, 5)
    assert guard.admit() is None
    guard.release(None)
    assert [guard.admit() for _ in range(5)] == [None] * 5


@pytest.mark.parametrize("reason", [FallReason.NONFINITE, FallReason.EMPTY, FallReason.SHAPE])
def test_a_model_that_answers_badly_is_asked_on(reason: FallReason) -> None:
    guard = Guard(open_after=3)
    fail(guard, 50, reason)
    assert not guard.tripped


def test_failures_now_and_then_trip_nothing() -> None:
    guard = Guard(open_after=3)
    for _ in range(20):
        fail(guard, 2)
        assert guard.admit() is None
        guard.release(None)
    assert not guard.tripped


@given(st.lists(st.sampled_from(["admit", "ok", "fail", "abandon"])), st.integers(1, 4))
def test_places_are_never_lost_and_never_exceeded(steps: list[str], limit: int) -> None:
    guard = Guard(limit=limit, open_after=2)
    held = 0
    for step in steps:
        if step == "admit":
            held += guard.admit() is None
        elif held:
            held -= 1
            if step == "abandon":
                guard.abandon()
            else:
                guard.release(FallReason.ERROR if step == "fail" else None)
        assert guard.in_flight == held <= limit
    while held:
        held -= 1
        guard.release(None)
    assert guard.admit() is None
