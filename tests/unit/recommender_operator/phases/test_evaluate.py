"""The offline gates, one by one."""

from __future__ import annotations

import math

import pytest

from recommender_operator.api.spec import Gate, GateMetric
from recommender_operator.phases.evaluate import judge, words

AUC = GateMetric.AUC
LOSS = GateMetric.LOG_LOSS


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
def test_a_limit_itself_still_holds(gate: Gate, value: float, passed: bool) -> None:
    assert judge(gate, {gate.metric.value: value}, None).passed is passed


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "gate",
    [Gate(metric=AUC, min=0.0), Gate(metric=AUC, max=1.0), Gate(metric=AUC, champion_margin=1.0)],
)
def test_what_is_no_number_fails_every_gate_and_says_so(gate: Gate, value: float | None) -> None:
    metrics = {} if value is None else {"auc": value}
    result = judge(gate, metrics, {"auc": 0.5})
    assert not result.passed
    assert result.value is None
    assert "not measured as a number" in words(result)


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
def test_the_margin_looks_the_way_in_which_the_metric_is_better(
    metric: GateMetric, mine: float, theirs: float, passed: bool
) -> None:
    gate = Gate(metric=metric, champion_margin=0.02)
    assert judge(gate, {metric.value: mine}, {metric.value: theirs}).passed is passed


def test_without_a_champion_the_margin_holds() -> None:
    result = judge(Gate(metric=AUC, champion_margin=0.01), {"auc": 0.3}, None)
    assert result.passed
    assert "there is none yet" in result.threshold


def test_a_champion_without_the_metric_cannot_be_beaten_unseen() -> None:
    result = judge(Gate(metric=AUC, champion_margin=0.01), {"auc": 0.9}, {})
    assert not result.passed
    assert "it has no such metric" in result.threshold


def test_a_gate_is_told_in_one_phrase() -> None:
    result = judge(Gate(metric=AUC, min=0.6), {"auc": 0.51234}, None)
    assert words(result) == "auc 0.5123, asked: at least 0.6"
