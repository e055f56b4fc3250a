"""A paused model starts nothing, keeps its weights, and obeys abort and rollbackTo alone."""

from __future__ import annotations

import pytest

from tests.unit.recommender_operator.request_results import results
from tests.unit.recommender_operator.started_worlds import (
    in_canary,
    promoted_first,
    rolled_out_second,
)
from tests.unit.recommender_operator.world import World


def test_a_paused_model_starts_nothing() -> None:
    world = promoted_first()
    world.edit(paused=True)
    world.seed(2)
    world.settle()
    assert world.stages() == {17: "Promoted"}
    assert world.condition("Progressing") == ("False", "Paused")
    world.edit(paused=False)
    world.settle()
    assert world.second_stage == "Promoted"


def test_a_pause_during_a_rollout_keeps_the_weight() -> None:
    world = in_canary()
    candidate = world.status.candidate
    world.edit(paused=True)
    for _ in range(100):
        world.tick()
        world.reconcile()
    assert world.route[candidate or ""] == 10
    world.edit(paused=False)
    world.settle()
    assert world.champion() == candidate


def test_a_version_that_comes_back_while_paused_waits_for_its_requests() -> None:
    world = in_canary()
    candidate = world.status.candidate or ""
    world.services[candidate].ready = False
    world.reconcile()
    world.watch(31)
    world.reconcile()
    world.edit(paused=True)
    world.services[candidate].ready = True
    world.settle()
    assert world.route == {world.stable(): 100}
    world.edit(paused=False)
    world.settle()
    assert world.stable() == candidate


def test_a_first_version_is_not_promoted_while_paused() -> None:
    world = World(accepted=False)
    while not world.route:
        world.reconcile()
        world.finish_jobs()
        world.tick()
    world.edit(paused=True)
    world.accepted = True
    world.settle()
    assert world.stages() == {17: "Canary"}
    world.edit(paused=False)
    world.settle()
    assert world.stages() == {17: "Promoted"}


def test_a_version_that_fails_while_paused_still_loses_its_requests() -> None:
    world = in_canary()
    world.edit(paused=True)
    world.error_share[2] = 0.5
    world.settle()
    assert world.second_stage == "RolledBack"
    assert world.route == {world.stable(): 100}


def test_no_deadline_rolls_back_a_paused_model() -> None:
    deadline = {"stepSeconds": 20, "intervalSeconds": 5, "deadlineSeconds": 300}
    world = in_canary(rollout={"analysis": deadline | {"onDeadline": "RollBack"}})
    world.edit(paused=True)
    world.requests_per_second = 0
    world.watch(301)
    world.reconcile()
    assert world.second_stage == "Canary"


@pytest.mark.parametrize("action", ["retry", "promote", "retrain"])
def test_a_paused_model_refuses_promote_retry_and_retrain(action: str) -> None:
    world = in_canary()
    world.edit(paused=True)
    world.annotations[action] = "1"
    world.reconcile()
    expected = "in progress" if action == "retrain" else "paused"
    assert expected in results(world)[f"{action} 1"]
    assert world.route[world.status.candidate or ""] == 10


def test_a_paused_model_obeys_abort_and_rollback_to() -> None:
    world = in_canary()
    world.edit(paused=True)
    world.annotations["abort"] = "1"
    world.settle()
    assert world.second_stage == "RolledBack"
    other = rolled_out_second()
    other.edit(paused=True)
    other.annotations["rollback-to"] = f"{other.status.previous}"
    first = other.status.previous
    other.settle()
    assert other.champion() == first
