"""Two counters show whether a window is full, and agree with a whole look."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recommender_contract.metrics import CREATED, FEATURES, SESSIONS
from recommender_operator.analysis import window_filling
from recommender_operator.analysis.counter_window import LOST_AT_GATEWAY, window_stats

COUNTS = st.dictionaries(st.sampled_from("abc"), st.integers(0, 10**6), min_size=1)


def pod(sessions: float, created: float = 1.0) -> dict[str, float]:
    feature = f'{FEATURES}{{bin="0",feature="genre"}}'
    return {SESSIONS: sessions, CREATED: created, feature: sessions}


@given(then=COUNTS, grown=st.integers(0, 10**6))
def test_the_count_is_the_one_of_a_whole_look(then: dict[str, int], grown: int) -> None:
    start = {name: pod(count) for name, count in then.items()}
    now = {name: pod(count + grown) for name, count in then.items()}
    counted = window_filling.counted(window_filling.start_of(start), now)
    assert counted == window_stats(start, now).sessions == grown * len(then)


@pytest.mark.parametrize(
    "now",
    [
        {},
        {"a": pod(9), "b": pod(9)},
        {"b": pod(9)},
        {"a": {}},
        {"a": pod(4)},
        {"a": pod(9, created=2.0)},
        {"a": {SESSIONS: 9.0}},
        {"a": {CREATED: 1.0}},
        {"a": pod(float("nan"))},
        {"a": pod(float("inf"))},
    ],
)
def test_a_pod_that_came_went_or_restarted_needs_a_whole_look(now: Any) -> None:
    assert window_filling.counted(window_filling.start_of({"a": pod(5)}), now) is None


def test_a_pod_of_the_gateway_needs_no_look_and_is_not_kept() -> None:
    gateway = {"gateway/g": {LOST_AT_GATEWAY: 4.0}}
    assert window_filling.start_of({"a": pod(5), **gateway}) == {"a": {SESSIONS: 5, CREATED: 1}}


def test_only_the_counters_of_sessions_are_kept() -> None:
    assert window_filling.start_of({"a": pod(5), "b": {}}) == {
        "a": {SESSIONS: 5, CREATED: 1},
        "b": {},
    }


@pytest.mark.parametrize(
    ("counted", "seconds", "pause"),
    [
        # 500 are needed: half of the remaining time at this rate.
        (100, 20, 40),
        (400, 160, 20),
        (499, 1000, window_filling.SHORTEST),
        (500, 10, window_filling.SHORTEST),
        (600, 10, window_filling.SHORTEST),
        (1, 1000, window_filling.LONGEST),
        (0, 1000, window_filling.LONGEST),
        (5, 0, window_filling.LONGEST),
    ],
)
def test_a_window_is_read_as_often_as_it_fills(counted: int, seconds: float, pause: float) -> None:
    assert window_filling.pause(counted, 500, seconds) == pause


@pytest.mark.parametrize(
    ("counted", "seconds", "pause"),
    [(500, 60, 30), (5000, 60, window_filling.SHORTEST), (500, 900, window_filling.LONGEST)],
)
def test_a_new_window_is_expected_to_fill_like_the_one_before(
    counted: int, seconds: float, pause: float
) -> None:
    first = window_filling.first_pause(counted, 500, seconds)
    window = window_filling.Filling(
        version="v", start={}, counted=0, needed=500, seconds=0, first=first
    )
    assert window.pause == pause


@given(
    rate=st.floats(0.01, 1000),
    needed=st.integers(20, 10_000),
    start=st.floats(1, 15),
)
@example(rate=0.5, needed=20, start=1.0)
def test_at_an_even_rate_a_full_window_is_seen_within_the_shortest_pause(
    rate: float, needed: int, start: float
) -> None:
    time = start
    while (counted := int(rate * time)) < needed:
        time += window_filling.pause(counted, needed, time)
    late = time - max(start, needed / rate)
    assert late <= window_filling.SHORTEST + 2 / rate
