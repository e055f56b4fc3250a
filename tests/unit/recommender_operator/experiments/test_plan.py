from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from recommender_operator.api import rules_experiment
from recommender_operator.api import spec_experiment as spec
from recommender_operator.experiments.arm_moments import NONE
from recommender_operator.experiments.experiment_metrics import DEFINITIONS, Metric
from recommender_operator.experiments.plan import Guardrail, Phase, Plan, Primary

CTR, FALLBACKS = Metric.CLICK_THROUGH_RATE, Metric.FALLBACK_SHARE
PLAN = Plan(primary=(Primary(metric=CTR, smallest_effect=0.2),))


@pytest.mark.parametrize(
    "changes",
    [
        {"primary": ()},
        {"primary": (Primary(metric=CTR, smallest_effect=0.0),)},
        {"primary": (Primary(metric=CTR, smallest_effect=math.nan),)},
        {"primary": (Primary(metric=CTR, smallest_effect=0.0009),)},
        {"primary": (Primary(metric=CTR, smallest_effect=1.0),)},
        {"primary": (Primary(metric=FALLBACKS, smallest_effect=10.1),)},
        {"primary": (Primary(metric=CTR, smallest_effect=0.1, baseline=1e-7),)},
        {"primary": (Primary(metric=CTR, smallest_effect=0.1, baseline=math.nan),)},
        {"primary": (Primary(metric=CTR, smallest_effect=0.1, baseline=1e10),)},
        {"primary": (Primary(metric=CTR, smallest_effect=0.1, baseline=0.0),)},
        {"primary": (Primary(metric=CTR, smallest_effect=0.1),) * 2},
        {"guardrails": (Guardrail(metric=CTR, largest_loss=1.0),)},
        {"alpha": 0.0},
        {"power": 1.0},
        {"weight": 0.0},
        {"min_days": 29.0},
        {"max_days": math.nan},
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"metric|baseline|range"):
        dataclasses.replace(PLAN, **changes)


def test_only_what_should_be_little_can_get_worse_by_more_than_all() -> None:
    fallbacks = Guardrail(metric=FALLBACKS, largest_loss=10.0)
    assert dataclasses.replace(PLAN, guardrails=(fallbacks,)).guardrails == (fallbacks,)


def test_the_api_accepts_exactly_the_effects_that_a_plan_can_have() -> None:
    assert (spec.MIN_EFFECT, spec.MAX_EFFECT) == (0.001, 10)
    assert (spec.MIN_BASELINE, spec.MAX_BASELINE) == (1e-6, 1e9)
    for metric, effect, baseline in (
        (CTR, spec.MIN_EFFECT, spec.MIN_BASELINE),
        (FALLBACKS, spec.MAX_EFFECT, spec.MAX_BASELINE),
    ):
        least = Primary(metric=metric, smallest_effect=effect, baseline=baseline)
        assert dataclasses.replace(PLAN, primary=(least,)).primary == (least,)
    listed = ", ".join(f"'{m}'" for m, d in DEFINITIONS.items() if not d.higher_is_better)
    for section in ("primary", "guardrails"):
        rules = rules_experiment.rules()[f"spec.rollout.experiment.{section}"]
        assert any(f"< 1.0 || m.metric in [{listed}]" in rule for rule, _ in rules)


@pytest.mark.parametrize(
    ("weights", "share"),
    [({"old": 90.0, "new": 10.0}, 0.1), ({"old": 1.0}, 0.0), ({}, 0.0), ({"new": 0.0}, 0.0)],
)
def test_the_candidates_share_is_that_of_its_weight(
    weights: dict[str, float], share: float
) -> None:
    phase = Phase(number=0, weights=weights, champion="old", candidate="new", arms={})
    assert phase.share == pytest.approx(share)
    assert phase.of("new") == NONE
