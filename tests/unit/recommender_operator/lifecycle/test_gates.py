"""The offline gates: by value, by interval, and against the champion."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.api.spec import (
    LOWER_IS_BETTER,
    NEARER_ONE,
    WITH_CHAMPION_DIFFERENCE,
    WITH_INTERVAL,
    Gate,
    GateMetric,
    JudgeBy,
)
from recommender_operator.lifecycle.gates import Champion, evaluate, words

AUC = GateMetric.AUC
LOSS = GateMetric.LOG_LOSS
INTERVAL, BEYOND_CHANCE = JudgeBy.INTERVAL, JudgeBy.BEYOND_CHANCE
PEER = GateMetric.NDCG_AT_10_MINUS_BEST_PEER
NUMBERS = st.floats(-10, 10)
SPREADS = st.floats(0, 2)


def measured(metric: GateMetric, value: float, low: float, high: float) -> dict[str, float]:
    name = metric.value
    return {name: value, f"{name}Low": low, f"{name}High": high}


@pytest.mark.parametrize(
    ("gate", "value", "passed"),
    [
        (Gate(metric=AUC, min=0.6), 0.6, True),
        (Gate(metric=AUC, min=0.6), 0.5999, False),
        (Gate(metric=LOSS, max=0.5), 0.5, True),
        (Gate(metric=LOSS, max=0.5), 0.5001, False),
        (Gate(metric=AUC, min=0.6, max=0.9), 0.95, False),
        (Gate(metric=AUC, min=0.6, max=0.9), 0.7, True),
    ],
)
def test_a_value_at_the_limit_passes(gate: Gate, value: float, passed: bool) -> None:
    assert evaluate(gate, {gate.metric.value: value}, None).passed is passed


@pytest.mark.parametrize("judge_by", JudgeBy)
@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("limit", [{"min": 0.0}, {"max": 1.0}, {"champion_margin": 1.0}])
def test_a_value_that_is_not_a_number_fails_every_gate_and_is_reported(
    limit: dict[str, float], value: float | None, judge_by: JudgeBy
) -> None:
    ends = {"aucLow": 0.5, "aucHigh": 0.5, "aucMinusChampion": 0.1}
    ends |= {"aucMinusChampionLow": 0.1, "aucMinusChampionHigh": 0.1}
    metrics = ends if value is None else {"auc": value} | ends
    gate = Gate.model_validate({"metric": AUC, "judge_by": judge_by} | limit)
    result = evaluate(gate, metrics, Champion(metrics={"auc": 0.5}))
    assert not result.passed
    assert result.value is None
    assert "not measured" in words(result)


@pytest.mark.parametrize(
    ("metric", "mine", "theirs", "passed"),
    [
        (AUC, 0.79, 0.8, True),
        (AUC, 0.77, 0.8, False),
        (AUC, 0.9, 0.8, True),
        (LOSS, 0.51, 0.5, True),
        (LOSS, 0.53, 0.5, False),
        (LOSS, 0.1, 0.5, True),
    ],
)
def test_the_margin_follows_the_direction_of_the_metric(
    metric: GateMetric, mine: float, theirs: float, passed: bool
) -> None:
    gate = Gate(metric=metric, champion_margin=0.02)
    rival = Champion(metrics={metric.value: theirs})
    assert evaluate(gate, {metric.value: mine}, rival).passed is passed


#: Every metric of a gate, and whether a higher value is better.
MORE_IS_BETTER = {
    "auc": True,
    "prAuc": True,
    "logLoss": False,
    "normalisedEntropy": False,
    "calibrationError": False,
    "precisionAt10": True,
    "recallAt10": True,
    "ndcgAt10": True,
    "coverageAt10": True,
    "noveltyAt10": True,
    "exposureGiniAt10": False,
    "aucMinusBaseline": True,
    "logLossMinusBaseline": False,
    "ndcgAt10MinusBaseline": True,
    "ndcgAt10MinusBestPeer": True,
    "worstSegmentAuc": True,
    "worstSegmentAucMinusBaseline": True,
    "segmentAucDifference": False,
    "segmentLogLossDifference": False,
    "leastExposureRatioAt10": True,
    "exposureGapAt10": False,
    "offPolicyGain": True,
    "modelMegabytes": False,
    "modelLatencyP99Milliseconds": False,
}


@pytest.mark.parametrize("metric", [each for each in GateMetric if each not in NEARER_ONE])
def test_the_direction_of_each_metric_is_the_one_that_is_better(metric: GateMetric) -> None:
    assert (metric not in LOWER_IS_BETTER) is MORE_IS_BETTER[metric.value]
    better = 0.5 if MORE_IS_BETTER[metric.value] else 0.1
    gate = Gate(metric=metric, champion_margin=0.0)
    assert evaluate(gate, {metric.value: better}, Champion(metrics={metric.value: 0.3})).passed
    assert not evaluate(
        gate, {metric.value: 0.6 - better}, Champion(metrics={metric.value: 0.3})
    ).passed


@pytest.mark.parametrize(
    ("mine", "theirs", "passed"),
    [(0.95, 0.9, True), (1.1, 0.9, True), (1.2, 0.9, False), (0.8, 1.1, False), (0.9, 1.1, True)],
)
def test_the_better_calibration_ratio_is_nearer_to_one(
    mine: float, theirs: float, passed: bool
) -> None:
    gate = Gate(metric=GateMetric.CALIBRATION_RATIO, champion_margin=0.01)
    rival = Champion(metrics={"calibrationRatio": theirs})
    assert evaluate(gate, {"calibrationRatio": mine}, rival).passed is passed


@pytest.mark.parametrize("judge_by", JudgeBy)
def test_without_a_champion_the_margin_holds(judge_by: JudgeBy) -> None:
    result = evaluate(
        Gate(metric=AUC, champion_margin=0.01, judge_by=judge_by), {"auc": 0.3}, None
    )
    assert result.passed
    assert "there is none yet" in result.threshold


def test_a_champion_without_the_metric_cannot_be_beaten_unseen() -> None:
    result = evaluate(Gate(metric=AUC, champion_margin=0.01), {"auc": 0.9}, Champion(metrics={}))
    assert not result.passed
    assert "which lacks this metric" in result.threshold


@given(value=NUMBERS, below=SPREADS, above=SPREADS, limit=NUMBERS)
def test_by_interval_min_binds_the_low_end_and_max_the_high_end_whatever_the_value(
    value: float, below: float, above: float, limit: float
) -> None:
    low, high = value - below, value + above
    metrics = measured(LOSS, value, low, high)
    at_least = evaluate(Gate(metric=LOSS, min=limit, judge_by=INTERVAL), metrics, None)
    at_most = evaluate(Gate(metric=LOSS, max=limit, judge_by=INTERVAL), metrics, None)
    assert at_least.passed is (low >= limit)
    assert at_most.passed is (high <= limit)
    assert (at_least.low, at_least.high) == (low, high)
    by_value = evaluate(Gate(metric=LOSS, max=limit), metrics, None)
    assert by_value.passed or not at_most.passed, "the interval is never laxer than the value"


@given(
    metric=st.sampled_from(sorted(WITH_CHAMPION_DIFFERENCE)),
    difference=NUMBERS,
    below=SPREADS,
    above=SPREADS,
    margin=st.floats(0, 5),
)
def test_by_interval_the_worse_end_of_the_paired_difference_must_be_within_the_margin(
    metric: GateMetric, difference: float, below: float, above: float, margin: float
) -> None:
    low, high = difference - below, difference + above
    name = f"{metric.value}MinusChampion"
    metrics = {metric.value: 0.5, name: difference, f"{name}Low": low, f"{name}High": high}
    gate = Gate(metric=metric, champion_margin=margin, judge_by=INTERVAL)
    # The champion's own report covers other rows, so it does not count here.
    result = evaluate(gate, metrics, Champion(metrics={metric.value: 1e9}))
    more_is_better = MORE_IS_BETTER[metric.value]
    assert result.passed is (low >= -margin if more_is_better else high <= margin)
    assert f"{low:.4g}" in result.threshold


@pytest.mark.parametrize("metric", sorted(WITH_INTERVAL))
@pytest.mark.parametrize("ends", [{}, {"Low": 0.9}, {"Low": math.nan, "High": 0.95}])
@pytest.mark.parametrize("limit", [{"min": -9.0}, {"max": 9.0}])
def test_a_missing_interval_fails_with_reason_and_remedy(
    metric: GateMetric, ends: dict[str, float], limit: dict[str, float]
) -> None:
    metrics = {metric.value: 0.9} | {f"{metric.value}{end}": x for end, x in ends.items()}
    gate = Gate.model_validate({"metric": metric} | limit)
    result = evaluate(gate.model_copy(update={"judge_by": INTERVAL}), metrics, None)
    assert not result.passed
    assert "fewer than ten users" in words(result)
    assert "increase data.window.days" in words(result)
    assert evaluate(gate, metrics, None).passed


@pytest.mark.parametrize(
    ("rival", "reason"),
    [
        (Champion(metrics={"auc": 0.1}), "fewer than ten users"),
        (
            Champion(metrics={"auc": 0.1}, not_compared="its artifact is gone; x"),
            "artifact is gone",
        ),
    ],
)
def test_a_missing_comparison_fails_with_its_reason(rival: Champion, reason: str) -> None:
    gate = Gate(metric=AUC, champion_margin=0.5, judge_by=INTERVAL)
    result = evaluate(gate, measured(AUC, 0.9, 0.89, 0.91), rival)
    assert not result.passed
    assert reason in words(result)


def test_a_comparison_with_another_champion_does_not_count() -> None:
    metrics = measured(AUC, 0.9, 0.89, 0.91)
    metrics |= {f"aucMinusChampion{end}": 0.1 for end in ("", "Low", "High")}
    gate = Gate(metric=AUC, champion_margin=0.5, judge_by=INTERVAL)
    assert evaluate(gate, metrics, Champion(metrics={})).passed
    assert not evaluate(gate, metrics, Champion(metrics={}, not_compared="another one")).passed


@given(value=NUMBERS, below=SPREADS, above=SPREADS, limit=NUMBERS)
def test_beyond_chance_a_limit_fails_only_a_whole_interval(
    value: float, below: float, above: float, limit: float
) -> None:
    low, high = value - below, value + above
    metrics = measured(LOSS, value, low, high)
    at_least = evaluate(Gate(metric=LOSS, min=limit, judge_by=BEYOND_CHANCE), metrics, None)
    at_most = evaluate(Gate(metric=LOSS, max=limit, judge_by=BEYOND_CHANCE), metrics, None)
    assert at_least.passed is (high >= limit)
    assert at_most.passed is (low <= limit)


@pytest.mark.parametrize(("low", "high", "passed"), [(-0.03, -0.011, False), (-0.03, -0.01, True)])
def test_beyond_chance_a_margin_fails_only_a_whole_difference(
    low: float, high: float, passed: bool
) -> None:
    metrics = measured(AUC, 0.9, 0.89, 0.91) | {"aucMinusChampion": (low + high) / 2}
    metrics |= {"aucMinusChampionLow": low, "aucMinusChampionHigh": high}
    gate = Gate(metric=AUC, champion_margin=0.01, judge_by=BEYOND_CHANCE)
    assert evaluate(gate, metrics, Champion(metrics={})).passed is passed


def test_without_an_interval_nothing_is_beyond_chance() -> None:
    gate = Gate(metric=AUC, min=0.6, champion_margin=0.01, judge_by=BEYOND_CHANCE)
    metrics = {"auc": 0.5, "aucMinusChampion": -0.1}
    result = evaluate(gate, metrics, Champion(metrics={}))
    assert result.passed
    assert "fewer than ten users" in result.message
    unmeasured = evaluate(gate, {}, Champion(metrics={}))
    assert not unmeasured.passed, "no value is another thing"
    not_compared = Champion(metrics={}, not_compared="its artifact is gone")
    assert not evaluate(gate, metrics, not_compared).passed


def test_lists_that_lose_to_a_peer_name_it_and_its_lists() -> None:
    gate = Gate(metric=PEER, min=0, judge_by=BEYOND_CHANCE)
    metrics = measured(PEER, -0.2, -0.3, -0.1)
    metrics |= {"easeNdcgAt10": 0.11, "itemKnnNdcgAt10": 0.3125, "popularityNdcgAt10": math.nan}
    result = evaluate(gate, metrics, None)
    assert not result.passed
    assert words(result) == (
        "ndcgAt10MinusBestPeer -0.2 [-0.3, -0.1], required: high end at least 0 "
        "(lists of item-based nearest neighbours (itemKnn) have an NDCG@10 of 0.3125)"
    )
    live = evaluate(gate, metrics | {"popularityDayNdcgAt10": 0.4}, None)
    assert live.message == (
        "lists of the most popular items of the last day (popularityDay) have an NDCG@10 of 0.4; "
        "set events.trending to let versions follow it"
    )
    won = evaluate(gate, metrics | measured(PEER, 0.2, -0.1, 0.3), None)
    assert (won.passed, won.message) == (True, "")


@pytest.mark.parametrize("rival", [None, Champion(metrics={}, not_compared="another one")])
def test_without_lists_the_peers_are_not_compared_unless_it_is_required(
    rival: Champion | None,
) -> None:
    gate = Gate(metric=PEER, min=0, judge_by=BEYOND_CHANCE)
    assert evaluate(gate, {"auc": 0.7}, rival).passed
    assert not evaluate(gate.model_copy(update={"required": True}), {"auc": 0.7}, rival).passed


def test_a_gate_is_reported_in_one_phrase() -> None:
    result = evaluate(Gate(metric=AUC, min=0.6), {"auc": 0.51234}, None)
    assert words(result) == "auc 0.5123, required: at least 0.6"
    metrics = measured(AUC, 0.61234, 0.59, 0.63)
    metrics |= measured(AUC, -0.01, -0.02, 0.003) | metrics
    metrics |= {"aucMinusChampion": -0.01, "aucMinusChampionLow": -0.02}
    metrics |= {"aucMinusChampionHigh": 0.003}
    gate = Gate(metric=AUC, min=0.6, champion_margin=0.015, judge_by=INTERVAL)
    assert words(evaluate(gate, metrics, Champion(metrics={}))) == (
        "auc 0.6123 [0.59, 0.63], required: low end at least 0.6 and at most 0.015 worse than the "
        "champion on the same rows (difference -0.01 [-0.02, 0.003])"
    )


def test_the_longest_texts_fit_the_record() -> None:
    metric = max(WITH_CHAMPION_DIFFERENCE, key=lambda m: len(m.value))
    tiny = -1.2345e-300
    metrics = measured(metric, tiny, tiny, tiny)
    name = f"{metric.value}MinusChampion"
    metrics |= {f"{name}{end}": tiny for end in ("", "Low", "High")}
    gate = Gate(metric=metric, min=tiny, max=-tiny, champion_margin=-tiny, judge_by=INTERVAL)
    result = evaluate(gate, metrics, Champion(metrics={}))
    assert len(result.threshold) < 253
    assert not evaluate(gate, metrics, Champion(metrics={}, not_compared="x" * 5000)).passed
