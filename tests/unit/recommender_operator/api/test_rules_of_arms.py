"""The rules of `rollout.experiment.arms`, evaluated as CEL."""

from __future__ import annotations

from typing import Any

import celpy
import celpy.adapter
import pytest

from recommender_operator.api import rules_experiment

ARMS = [{"version": f"movies-0000000{n}"} for n in range(3)]
(WEIGHTS,) = [rule for rule, text in rules_experiment.EXPERIMENT if "has no users" in text]


def holds(rule: str, value: Any) -> bool:
    environment = celpy.Environment()
    found: Any = environment.program(environment.compile(rule))
    return bool(found.evaluate({"self": celpy.adapter.json_to_cel(value)}))


@pytest.mark.parametrize(("count", "most"), [(1, 49), (2, 33), (3, 24)])
def test_weight_and_arms_leave_the_champion_users(count: int, most: int) -> None:
    plan = {"arms": ARMS[:count]}
    assert holds(WEIGHTS, plan | {"weight": most})
    assert not holds(WEIGHTS, plan | {"weight": most + 1})
    assert not holds(WEIGHTS, plan), "the default is 50"


@pytest.mark.parametrize("plan", [{}, {"arms": []}, {"weight": 99}, {"weight": 99, "arms": []}])
def test_without_arms_any_weight_is_possible(plan: dict[str, object]) -> None:
    assert holds(WEIGHTS, plan)
