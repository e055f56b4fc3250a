from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from recommender_operator.experiments.metrics import Metric
from recommender_operator.experiments.moments import NONE
from recommender_operator.experiments.plan import Guardrail, Phase, Plan, Primary

CTR = Metric.CLICK_THROUGH_RATE
PLAN = Plan(primary=(Primary(metric=CTR, smallest_effect=0.2),))


@pytest.mark.parametrize(
    "changes",
    [
        {"primary": ()},
        {"primary": (Primary(metric=CTR, smallest_effect=0.0),)},
        {"primary": (Primary(metric=CTR, smallest_effect=math.nan),)},
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
