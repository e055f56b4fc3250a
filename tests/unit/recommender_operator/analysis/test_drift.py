from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.analysis.counter_window import WindowStats
from recommender_operator.analysis.drift import (
    STABLE_SESSIONS,
    Verdict,
    evaluate_break,
    evaluate_window,
)
from recommender_operator.api.spec import DriftSpec

SPEC = DriftSpec()
Shares = Mapping[str, Mapping[str, float]]


def evenly(bins: int, null: float = 0.0, unknown: float = 0.0) -> dict[str, float]:
    rest = (1 - null - unknown) / bins
    return {str(i): rest for i in range(bins)} | {"null": null, "unknown": unknown}


def lower_scores(bins: int) -> dict[str, float]:
    """The lower ones of ten bins alone."""
    return evenly(bins) | {str(i): 0.0 for i in range(bins, 10)}


#: The seven features of the contract, about as MovieLens has them.
USUAL: Shares = {
    "age": evenly(10),
    "gender": {"0": 0.29, "1": 0.71, "null": 0.0, "unknown": 0.0},
    "occupation": {str(i): w for i, w in enumerate(np.r_[0.25, np.full(20, 0.0375)])},
    "session_length": evenly(8),
    "mean_value": evenly(10, null=0.03),
    "last_genre": evenly(18, null=0.03, unknown=0.01),
    "top_score": evenly(10),
}


def counted(rng: np.random.Generator, shares: Shares, sessions: int) -> dict[str, dict[str, int]]:
    return {
        feature: dict(
            zip(bins, rng.multinomial(sessions, list(bins.values())).tolist(), strict=True)
        )
        for feature, bins in shares.items()
    }


def window(
    rng: np.random.Generator,
    shares: Shares = USUAL,
    reference: Mapping[str, Mapping[str, int]] | None = None,
    sessions: int = 500,
) -> WindowStats:
    return WindowStats(
        sessions=sessions,
        pods=1,
        features=counted(rng, shares, sessions),
        reference=reference or counted(rng, USUAL, 5000),
    )


def moved(feature: str, share: float, source: str, target: str) -> Shares:
    bins = dict(USUAL[feature])
    bins[source] -= share
    bins[target] = bins.get(target, 0.0) + share
    return {**USUAL, feature: bins}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_without_drift_hardly_a_window_of_a_thousand_alarms() -> None:
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(20):
        reference = counted(rng, USUAL, 5000)
        for _ in range(25):
            alarms += (
                evaluate_window(SPEC, window(rng, reference=reference)).verdict is Verdict.FAIL
            )
    # alpha alone allows 5 of 500; with the effect floor at most 5 of 1000 are wanted.
    assert alarms <= 3


@pytest.mark.parametrize(
    ("shares", "feature"),
    [
        ({**USUAL, "age": dict(zip(USUAL["age"], [0.02] * 5 + [0.18] * 5, strict=False))}, "age"),
        (moved("gender", 0.2, "1", "0"), "gender"),
        (moved("occupation", 0.2, "0", "7"), "occupation"),
        (moved("mean_value", 0.08, "0", "null"), "mean_value"),
        (moved("last_genre", 0.05, "3", "unknown"), "last_genre"),
        (moved("age", 0.05, "4", "null"), "age"),
    ],
)
def test_a_shift_that_matters_is_found_and_its_feature_named(
    rng: np.random.Generator, shares: Shares, feature: str
) -> None:
    found = [evaluate_window(SPEC, window(rng, shares)) for _ in range(20)]
    hits = [v for v in found if v.verdict is Verdict.FAIL and v.features[0].name == feature]
    assert len(hits) >= 18
    for verdict in hits:
        assert not verdict.clear
        assert verdict.features[0].p_value <= SPEC.alpha
        assert f"{feature}: " in verdict.message


def test_a_significant_shift_too_small_to_matter_is_no_alarm(rng: np.random.Generator) -> None:
    small = moved("gender", 0.04, "1", "0")
    stats = window(rng, small, counted(rng, USUAL, 100_000), sessions=50_000)
    verdict = evaluate_window(SPEC, stats)
    assert verdict.verdict is Verdict.PASS
    assert verdict.clear


def test_a_shift_just_below_the_floor_is_no_alarm_and_not_clear(rng: np.random.Generator) -> None:
    near = moved("gender", 0.09, "1", "0")
    stats = window(rng, near, counted(rng, USUAL, 100_000), sessions=50_000)
    verdict = evaluate_window(SPEC, stats)
    assert (verdict.verdict, verdict.clear) == (Verdict.PASS, False)


def test_too_few_sessions_are_inconclusive_however_large_the_shift(
    rng: np.random.Generator,
) -> None:
    verdict = evaluate_window(SPEC, window(rng, moved("gender", 0.7, "1", "0"), sessions=499))
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert "499 of 500 sessions" in verdict.message


def test_counters_that_are_missing_are_an_error_and_never_a_pass(rng: np.random.Generator) -> None:
    stats = window(rng)
    assert evaluate_window(SPEC, WindowStats(sessions=900)).verdict is Verdict.ERROR
    features = {k: v for k, v in stats.features.items() if k != "age"}
    lost = WindowStats(sessions=500, features=features, reference=stats.reference)
    verdict = evaluate_window(SPEC, lost)
    assert verdict.verdict is Verdict.ERROR
    assert "age" in verdict.message


def test_a_model_that_does_not_answer_is_not_drift(rng: np.random.Generator) -> None:
    stats = window(rng, {**USUAL, "top_score": evenly(10, null=0.5)})
    assert evaluate_window(SPEC, stats).verdict is Verdict.PASS


def test_the_same_shift_on_both_arms_is_not_a_break_of_the_candidate() -> None:
    rng = np.random.default_rng(2)
    broken = {**moved("mean_value", 0.08, "0", "null"), "top_score": lower_scores(4)}
    verdicts = [evaluate_break(SPEC, window(rng, broken), window(rng, broken)) for _ in range(40)]
    assert sum(v.verdict is Verdict.FAIL for v in verdicts) <= 2


@pytest.mark.parametrize(
    ("shares", "feature"),
    [
        (moved("mean_value", 0.08, "0", "null"), "mean_value"),
        (moved("last_genre", 0.05, "3", "unknown"), "last_genre"),
        ({**USUAL, "top_score": lower_scores(6)}, "top_score"),
    ],
)
def test_a_break_of_only_the_candidate_is_detected(
    rng: np.random.Generator, shares: Shares, feature: str
) -> None:
    verdicts = [evaluate_break(SPEC, window(rng, shares), window(rng)) for _ in range(20)]
    hits = [v for v in verdicts if v.verdict is Verdict.FAIL]
    assert len(hits) >= 15
    assert all(v.features[0].name == feature for v in hits)


def test_a_broken_stable_version_does_not_fail_the_candidate(rng: np.random.Generator) -> None:
    broken = {**moved("last_genre", 0.05, "3", "unknown"), "top_score": lower_scores(6)}
    assert evaluate_break(SPEC, window(rng), window(rng, broken)).verdict is Verdict.PASS


def test_a_break_needs_sessions_of_both_arms(rng: np.random.Generator) -> None:
    few = window(rng, sessions=SPEC.window_sessions - 1)
    assert evaluate_break(SPEC, few, window(rng)).verdict is Verdict.INCONCLUSIVE
    too_few = window(rng, sessions=STABLE_SESSIONS - 1)
    assert evaluate_break(SPEC, window(rng), too_few).verdict is Verdict.INCONCLUSIVE


def test_a_break_is_seen_beside_a_stable_version_with_few_sessions(
    rng: np.random.Generator,
) -> None:
    few = window(rng, sessions=STABLE_SESSIONS)
    broken = window(rng, moved("gender", 0.29, "0", "unknown"))
    assert evaluate_break(SPEC, broken, few).verdict is Verdict.FAIL


BINS = st.dictionaries(st.sampled_from(["0", "1", "2", "null", "unknown"]), st.integers(0, 400))
FEATURES = st.dictionaries(st.sampled_from(["age", "gender", "top_score"]), BINS)


@given(FEATURES, FEATURES, st.integers(0, 1000))
def test_whatever_was_counted_the_verdict_is_consistent(
    features: dict[str, dict[str, int]], reference: dict[str, dict[str, int]], sessions: int
) -> None:
    stats = WindowStats(sessions=sessions, features=features, reference=reference)
    for verdict in (evaluate_window(SPEC, stats), evaluate_break(SPEC, stats, stats)):
        assert bool(verdict.features) is (verdict.verdict is Verdict.FAIL)
        assert not (verdict.clear and verdict.verdict is not Verdict.PASS)
        assert len({shift.name for shift in verdict.features}) == len(verdict.features)
        assert all(0 <= s.effect <= 1 and 0 <= s.p_value <= SPEC.alpha for s in verdict.features)
        assert sessions >= SPEC.window_sessions or verdict.verdict is Verdict.INCONCLUSIVE
