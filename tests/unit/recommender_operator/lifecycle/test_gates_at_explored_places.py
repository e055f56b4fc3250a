"""Gates on a gain at explored places, of which a test window may have too few."""

from __future__ import annotations

import pytest

from recommender_operator.api.spec import Gate, GateMetric, JudgeBy
from recommender_operator.lifecycle.gates import Champion, evaluate, words

AUC = GateMetric.AUC
GAIN = GateMetric.OFF_POLICY_GAIN


def measured(value: float, low: float, high: float) -> dict[str, float]:
    return {"offPolicyGain": value, "offPolicyGainLow": low, "offPolicyGainHigh": high}


def test_a_gain_at_explored_places_is_judged_by_its_low_end() -> None:
    gate = Gate(metric=GAIN, min=0.0, judge_by=JudgeBy.INTERVAL)
    rival = Champion(metrics={})
    assert evaluate(gate, measured(0.02, 0.001, 0.04), rival).passed
    found = evaluate(gate, measured(0.02, -0.001, 0.04), rival)
    assert not found.passed
    assert words(found) == "offPolicyGain 0.02 [-0.001, 0.04], required: low end at least 0"


@pytest.mark.parametrize("judge_by", JudgeBy)
@pytest.mark.parametrize("rival", [None, Champion(metrics={"offPolicyGain": 0.1})])
def test_without_an_estimate_a_gain_is_not_evaluated_unless_it_is_required(
    judge_by: JudgeBy, rival: Champion | None
) -> None:
    gate = Gate(metric=GAIN, min=0.0, judge_by=judge_by)
    found = evaluate(gate, {"auc": 0.7}, rival)
    assert found.passed
    assert found.value is None
    assert "too few explored places" in found.message
    assert "without that section the data has no explored places" in found.message
    assert words(found).startswith(
        "offPolicyGain was not measured, required: nothing without an estimate (the training"
    )
    strict = evaluate(gate.model_copy(update={"required": True}), {"auc": 0.7}, rival)
    assert not strict.passed
    assert "too few explored places" in strict.message


@pytest.mark.parametrize("ends", [(0.2, 0.1, 0.3), (-0.2, -0.3, -0.1), None])
def test_a_gain_over_a_former_champion_says_nothing_of_the_current_one(
    ends: tuple[float, float, float] | None,
) -> None:
    """A loss is not forgotten: another training measures it again."""
    gate = Gate(metric=GAIN, min=0.0)
    rival = Champion(metrics={}, not_compared="v-2 became the champion; train again")
    found = evaluate(gate, measured(*ends) if ends else {}, rival)
    assert not found.passed
    assert found.value is None
    assert found.message == (
        "offPolicyGain was not measured: v-2 became the champion; train again"
    )
    auc = Gate(metric=AUC, min=0.5)
    assert evaluate(auc, {"auc": 0.6}, rival).passed, "of the version alone"


@pytest.mark.parametrize("required", [None, True])
def test_a_champion_that_cannot_be_evaluated_leaves_a_gain_unmeasured(
    required: bool | None,
) -> None:
    gate = Gate(metric=GAIN, min=0.0, required=required)
    rival = Champion(metrics={}, not_compared="v-2 could not be evaluated: gone", broken=True)
    found = evaluate(gate, {}, rival)
    assert found.passed is (required is None)
    assert "v-2 could not be evaluated: gone" in found.message


def test_a_gain_tells_of_the_rows_that_the_champion_was_trained_on() -> None:
    gate, rival = Gate(metric=GAIN, min=0.0), Champion(metrics={}, saw_test_rows=7)
    found = evaluate(gate, measured(0.02, 0.001, 0.04), rival)
    assert found.passed
    assert "trained on 7 rows of this test window" in found.message
    assert "trained on" not in evaluate(gate, {}, rival).message
