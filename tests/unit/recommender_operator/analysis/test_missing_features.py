"""A large loss of features fails a step after a few sessions, but chance does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.analysis import step_metrics
from recommender_operator.analysis.counter_window import Bins, WindowStats
from recommender_operator.analysis.histogram import Histogram
from recommender_operator.analysis.missing_features import MIN_SESSIONS, missing_features
from recommender_operator.analysis.step_verdict import evaluate
from recommender_operator.api.spec import AnalysisSpec

USUAL = 0.1


def window(sessions: int, **missing: int) -> WindowStats:
    """Return a window in which this number of sessions have no known value of the features."""
    bins: dict[str, Bins] = {
        feature: {"0": sessions - count, "unknown": count - count // 2, "null": count // 2}
        for feature, count in missing.items()
    }
    served = Histogram((0.01, math.inf), (sessions, 0))
    return WindowStats(
        requests=sessions, sessions=sessions, answers={"model": sessions}, features=bins,
        latency=served, pods=1,
    )  # fmt: skip


def verdict(candidate: WindowStats, stable: WindowStats, most: float = USUAL) -> str:
    return missing_features(candidate, stable, max_increase=most).verdict


def test_the_worst_feature_is_reported_with_both_shares() -> None:
    seen = missing_features(
        window(200, age=2, gender=10), window(1000, age=20, gender=30), max_increase=USUAL
    )
    assert (seen.verdict, seen.value, seen.stable_value) == ("Pass", 0.05, 0.03)
    assert (seen.sample_size, seen.threshold) == (200, "at most 0.1 above the stable version's")


def test_a_feature_lost_altogether_fails_after_a_dozen_sessions_and_is_named() -> None:
    seen = missing_features(window(12, age=0, gender=12), window(110, age=0, gender=1),
                            max_increase=USUAL)  # fmt: skip
    assert seen.verdict == "Fail"
    assert "gender" in seen.message
    assert "age" not in seen.message


def test_four_bad_sessions_are_not_yet_a_failure() -> None:
    assert verdict(window(4, age=4), window(1000, age=0)) == "Inconclusive"


def test_more_features_require_stronger_evidence_against_one() -> None:
    sound = {f"feature_{number}": 0 for number in range(30)}
    assert verdict(window(5, age=5), window(1000, age=0)) == "Fail"
    assert verdict(window(5, age=5, **sound), window(1000, age=0, **sound)) == "Inconclusive"


def test_a_few_sessions_of_the_stable_version_are_not_enough_to_compare() -> None:
    assert verdict(window(30, age=30), window(5, age=0)) == "Inconclusive"
    assert verdict(window(30, age=30), window(40, age=0)) == "Fail"


@pytest.mark.parametrize(
    ("here", "there"), [(MIN_SESSIONS - 1, 1000), (1000, MIN_SESSIONS - 1), (0, 0)]
)
def test_too_few_sessions_of_either_arm_never_pass(here: int, there: int) -> None:
    assert verdict(window(here, age=0), window(there, age=0)) == "Inconclusive"


def test_a_feature_missing_from_both_arms_is_not_blamed_on_the_candidate() -> None:
    assert verdict(window(500, age=500), window(500, age=500)) == "Pass"
    assert verdict(window(500, age=250), window(500, age=240)) == "Pass"


def test_an_increase_that_may_be_chance_is_inconclusive() -> None:
    assert verdict(window(30, age=4), window(300, age=0)) == "Inconclusive"


def test_nulls_of_the_score_are_not_a_missing_feature() -> None:
    assert verdict(window(100, age=0, top_score=100), window(100, age=0, top_score=0)) == "Pass"


def test_a_lost_feature_is_enough_to_fail_the_step() -> None:
    step = evaluate(AnalysisSpec(), window(150, age=150), window(900, age=9))
    assert step.verdict == "Fail"
    assert step.message.startswith("missingFeatureShare 1, stable 0.01 (at most 0.1 above")
    assert "150 sessions" in step.message


def test_a_candidate_that_counts_no_features_is_an_error_not_a_pass() -> None:
    step = evaluate(AnalysisSpec(), window(150), window(900, age=9))
    assert (step.verdict, step.metrics[-1].verdict) == ("Error", "Error")


def test_a_stable_version_that_counts_no_features_is_nothing_to_compare_with() -> None:
    step = evaluate(AnalysisSpec(), window(150, age=150), window(900))
    assert step.verdict == "Pass"
    assert "missingFeatureShare" not in {metric.metric for metric in step.metrics}


@given(
    here=st.integers(0, 3000),
    there=st.integers(0, 3000),
    data=st.data(),
    most=st.floats(0, 1),
)
def test_no_feature_that_is_missing_no_more_often_than_at_stable_fails(
    here: int, there: int, data: st.DataObject, most: float
) -> None:
    count = data.draw(st.integers(0, here))
    stable_count = data.draw(st.integers(0, there))
    seen = verdict(window(here, age=count), window(there, age=stable_count), most)
    if here and there and count / here <= stable_count / there + most:
        assert seen in {"Pass", "Inconclusive"}
    assert seen != "Error"


def test_looks_at_every_session_fail_no_more_often_than_the_level_allows() -> None:
    rng = np.random.default_rng(7)
    runs, failed = 120, 0
    for _ in range(runs):
        # Exactly at the limit: the candidate lacks the feature 0.1 more often than stable.
        here, there = rng.random(600) < 0.3, rng.random(1200) < 0.2
        failed += any(
            verdict(
                window(n, age=int(here[:n].sum())), window(2 * n, age=int(there[: 2 * n].sum()))
            )
            == "Fail"
            for n in range(10, 601, 15)
        )
    # METRIC_ALPHA is the bound on the expectation: 0.2 of 120; 4 or more have a chance of 0.006 %.
    assert pytest.approx(0.01 / 6) == step_metrics.METRIC_ALPHA
    assert failed <= 3
