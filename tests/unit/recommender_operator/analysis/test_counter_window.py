import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.metrics import CREATED
from recommender_operator.analysis.counter_window import (
    LOST_AT_GATEWAY,
    WindowStats,
    of_copies,
    window_stats,
)
from recommender_operator.observed import Sample

OK = 'recommender_requests_total{outcome="ok"}'
ERROR = 'recommender_requests_total{outcome="error"}'
INVALID = 'recommender_requests_total{outcome="invalid"}'
KEYS = (OK, ERROR, INVALID, "recommender_sessions_total")
COUNTS = st.lists(st.integers(0, 10**6), min_size=4, max_size=4)


def pod(
    ok: float = 0, error: float = 0, invalid: float = 0, sessions: float = 0, **more: float
) -> dict[str, float]:
    return dict(zip(KEYS, (ok, error, invalid, sessions), strict=True)) | more


def test_everything_of_the_contract_is_counted() -> None:
    stats = window_stats({}, {"a": {
        OK: 90, ERROR: 10, INVALID: 3,
        'recommender_answers_total{source="model"}': 80,
        'recommender_answers_total{source="popularity"}': 12,
        'recommender_fallbacks_total{reason="timeout"}': 5,
        'recommender_fallbacks_total{reason="nonfinite"}': 4,
        'recommender_fallbacks_total{reason="empty"}': 3,
        'recommender_request_duration_seconds_bucket{le="0.1"}': 60,
        'recommender_request_duration_seconds_bucket{le="+Inf"}': 100,
        "recommender_request_duration_seconds_sum": 12.5,
        "recommender_sessions_total": 40,
        'recommender_feature_values_total{bin="null",feature="age"}': 4,
        'recommender_feature_values_total{bin="0",feature="age"}': 36,
        'recommender_reference_sessions{bin="0",feature="age"}': 500,
        'recommender_reference_design_effect{feature="age"}': 2.5,
        'recommender_reference_missing_design_effect{feature="age"}': 1.5,
    }})  # fmt: skip
    assert (stats.requests, stats.errors, stats.invalid, stats.sessions) == (100, 10, 3, 40)
    assert (stats.answered, stats.fallback_answers, stats.anomalies) == (92, 12, 7)
    assert (stats.latency.uppers, stats.latency.counts) == ((0.1, math.inf), (60, 40))
    assert stats.features == {"age": {"null": 4, "0": 36}}
    assert stats.reference == {"age": {"0": 500}}
    assert stats.design_effects == {"age": 2.5}
    assert stats.missing_design_effects == {"age": 1.5}
    assert (stats.pods, stats.resets) == (1, 0)


@given(st.dictionaries(st.sampled_from("abc"), st.tuples(COUNTS, COUNTS)))
def test_growing_counters_give_exactly_their_growth(
    pods: dict[str, tuple[list[int], list[int]]],
) -> None:
    then = {name: pod(*start) for name, (start, _) in pods.items()}
    now = {
        name: pod(*(s + g for s, g in zip(start, growth, strict=True)))
        for name, (start, growth) in pods.items()
    }
    stats = window_stats(then, now)
    grown = [sum(growth[i] for _, growth in pods.values()) for i in range(4)]
    assert stats.requests == grown[0] + grown[1]
    assert (stats.errors, stats.invalid, stats.sessions) == tuple(grown[1:])
    assert (stats.pods, stats.resets) == (len(pods), 0)


@given(
    st.dictionaries(st.sampled_from("abc"), COUNTS),
    st.dictionaries(st.sampled_from("abc"), COUNTS),
)
def test_no_pair_of_samples_gives_a_negative_count(
    then: dict[str, list[int]], now: dict[str, list[int]]
) -> None:
    stats = window_stats(
        {name: pod(*counts) for name, counts in then.items()},
        {name: pod(*counts) for name, counts in now.items()},
    )
    assert min(stats.requests, stats.errors, stats.invalid, stats.sessions) >= 0
    assert stats.errors <= stats.requests


def test_a_new_pod_counts_from_zero_and_a_vanished_one_not_at_all() -> None:
    stats = window_stats({"old": pod(ok=500)}, {"new": pod(ok=7)})
    assert (stats.requests, stats.pods) == (7, 1)


def test_counters_are_lost_by_a_restart_and_by_a_pod_that_is_gone_and_not_by_a_new_one() -> None:
    before = {"restarted": pod(ok=900), "gone": pod(ok=900), "kept": pod(ok=900)}
    after = {"restarted": pod(ok=300), "new": pod(ok=5), "kept": pod(ok=950)}
    stats = window_stats(before, after)
    assert (stats.resets, stats.gone, stats.lost) == (1, 1, 2)
    assert window_stats(before, {**before, "new": pod(ok=5)}).lost == 0


def test_a_restarted_pod_counts_from_zero_in_all_its_counters() -> None:
    then, now = pod(ok=500, error=5), pod(ok=20, error=9)
    stats = window_stats({"a": then}, {"a": now})
    assert (stats.requests, stats.errors, stats.resets) == (29, 9, 1)


def test_a_missing_counter_shows_a_restart() -> None:
    stats = window_stats({"a": {OK: 5, ERROR: 1}}, {"a": {OK: 6}})
    assert (stats.requests, stats.resets) == (6, 1)


def test_a_restart_is_detected_by_its_time_even_if_the_new_counters_are_larger() -> None:
    then, now = pod(ok=5, **{CREATED: 1000.0}), pod(ok=20, **{CREATED: 2000.0})
    stats = window_stats({"a": then}, {"a": now})
    assert (stats.requests, stats.resets) == (20, 1)


def test_a_pod_that_did_not_answer_at_the_start_does_not_count_as_new() -> None:
    stats = window_stats({"a": {}, "b": pod(ok=1)}, {"a": pod(ok=9000), "b": pod(ok=3)})
    assert (stats.requests, stats.pods) == (2, 1)
    assert (stats.late, stats.silent, stats.lost) == (1, 0, 0)


@pytest.mark.parametrize("before", [{}, {"a": {}}, {"a": pod(ok=1)}], ids=["new", "silent", "ok"])
def test_a_pod_that_does_not_answer_at_the_end_is_counted_as_silent(before: Sample) -> None:
    stats = window_stats({**before, "b": pod(ok=1)}, {"a": {}, "b": pod(ok=3)})
    assert (stats.requests, stats.pods) == (2, 1)
    assert (stats.late, stats.silent, stats.lost) == (0, 1, 0)


def test_a_pod_of_the_gateway_is_never_one_of_the_silent() -> None:
    stats = window_stats({"gateway/a": {}}, {"gateway/a": pod(), "gateway/b": {}})
    assert (stats.late, stats.silent) == (0, 0)


def test_a_pod_with_a_value_that_is_no_number_gives_nothing() -> None:
    assert window_stats({}, {"a": pod(ok=math.nan)}) == WindowStats(silent=1)
    assert window_stats({"a": pod(ok=math.inf)}, {"a": pod(ok=1)}) == WindowStats(late=1)


def test_the_reference_is_that_of_one_pod_and_not_the_sum() -> None:
    counters = {'recommender_reference_sessions{bin="1",feature="age"}': 50.0}
    stats = window_stats({"a": counters}, {"a": counters, "b": counters})
    assert stats.reference == {"age": {"1": 50}}
    assert stats.resets == 0


def test_a_missing_start_time_is_a_restart() -> None:
    """A current answer does not prove that the process is the same."""
    stats = window_stats({"a": pod(ok=5, **{CREATED: 1000.0})}, {"a": pod(ok=20)})
    assert (stats.requests, stats.resets) == (20, 1)


def test_a_gauge_that_falls_is_no_restart() -> None:
    reference = 'recommender_reference_sessions{bin="1",feature="age"}'
    stats = window_stats({"a": pod(ok=5, **{reference: 50})}, {"a": pod(ok=7, **{reference: 40})})
    assert (stats.requests, stats.resets) == (2, 0)


def gateway(lost: float) -> dict[str, float]:
    return {LOST_AT_GATEWAY: lost}


def test_a_request_that_the_gateway_lost_is_a_request_and_an_error_of_the_version() -> None:
    stats = window_stats(
        {"a": pod(ok=10), "gateway/x": gateway(3)},
        {"a": pod(ok=60, error=2), "gateway/x": gateway(8), "gateway/new": gateway(1)},
    )
    assert (stats.requests, stats.errors, stats.lost_at_gateway) == (58, 8, 6)
    assert (stats.pods, stats.lost) == (1, 0)


def test_a_gateway_pod_that_goes_or_restarts_makes_no_window_incomplete() -> None:
    then = {"a": pod(ok=10), "gateway/x": gateway(3), "gateway/gone": gateway(9)}
    stats = window_stats(then, {"a": pod(ok=20), "gateway/x": gateway(2)})
    assert (stats.errors, stats.lost_at_gateway, stats.lost) == (2, 2, 0)


def test_counters_of_the_gateway_alone_are_those_of_no_pod() -> None:
    assert window_stats({}, {"gateway/x": gateway(5)}).pods == 0


def test_copies_are_counted_as_requests_are_and_apart_from_them() -> None:
    sample: dict[str, dict[str, float]] = {
        "a": {
            OK: 90,
            "recommender_sessions_total": 40,
            'recommender_feature_values_total{bin="0",feature="age"}': 36,
            CREATED: 1.5,
            'recommender_shadow_requests_total{outcome="ok"}': 7,
            'recommender_shadow_requests_total{outcome="error"}': 3,
            'recommender_shadow_answers_total{source="baseline"}': 2,
            'recommender_shadow_request_duration_seconds_bucket{le="+Inf"}': 10,
        },
        "gateway/0": {LOST_AT_GATEWAY: 5},
        "silent": {},
    }
    copies = window_stats({}, of_copies(sample))
    assert (copies.requests, copies.errors, copies.answered) == (10, 3, 2)
    assert (copies.sessions, copies.features, copies.lost_at_gateway) == (0, {}, 0)
    assert (copies.latency.total, copies.pods) == (10, 1)
    users = window_stats({}, sample)
    assert (users.requests, users.errors, users.answered, users.sessions) == (95, 5, 0, 40)


def test_a_restart_is_seen_in_the_counters_of_copies_too() -> None:
    key = 'recommender_shadow_requests_total{outcome="ok"}'
    then, now = of_copies({"a": {key: 9, CREATED: 1}}), of_copies({"a": {key: 20, CREATED: 2}})
    stats = window_stats(then, now)
    assert (stats.requests, stats.resets) == (20, 1)
