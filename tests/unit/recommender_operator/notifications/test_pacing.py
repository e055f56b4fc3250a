"""How fast notifications are sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.notifications import pacing
from recommender_operator.notifications.pacing import BURST, EVERY, Bucket


@given(st.lists(st.floats(0, 10), min_size=1, max_size=200))
def test_in_no_period_more_is_sent_than_the_burst_and_the_rate_allow(steps: list[float]) -> None:
    now, bucket, sent = 0.0, Bucket(0.0), []
    for step in steps:
        now += step
        if bucket.take(now) == 0:
            sent.append(now)
    for i, first in enumerate(sent):
        for j in range(i, len(sent)):
            assert j - i + 1 <= BURST + (sent[j] - first) / EVERY + 1e-6


def test_who_waits_as_long_as_asked_gets_a_token() -> None:
    bucket = Bucket(0.0)
    assert [bucket.take(0.0) for _ in range(BURST)] == [0.0] * BURST
    wait = bucket.take(0.0)
    assert wait == EVERY
    assert bucket.take(wait) == 0


def test_a_clock_that_goes_back_gives_no_tokens() -> None:
    bucket = Bucket(100.0)
    for _ in range(BURST):
        bucket.take(100.0)
    assert bucket.take(50.0) > 0


@given(st.integers(1, 10**6), st.floats(0, 1), st.none() | st.floats(-1e9, 1e9))
def test_a_pause_is_bounded_and_no_shorter_than_asked(
    tries: int, share: float, asked: float | None
) -> None:
    found = pacing.pause(tries, share, asked)
    assert 0 < found <= max(pacing.LONGEST, pacing.LONGEST_ASKED)
    if asked is not None and 0 <= asked <= pacing.LONGEST_ASKED:
        assert found >= asked


def test_pauses_grow() -> None:
    pauses = [pacing.pause(n, 1.0) for n in range(1, 9)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pacing.pause(1, 0.0) == pytest.approx(0.5)


@given(st.lists(st.none() | st.floats(0, 1e6), min_size=pacing.TRIES, max_size=pacing.TRIES))
def test_the_tries_of_one_notification_end(asked: list[float | None]) -> None:
    tries = pacing.Tries()
    pauses = [tries.pause(1.0, each) for each in asked]
    assert pauses[-1] is None
    assert sum(each for each in pauses if each is not None) <= pacing.TOTAL
