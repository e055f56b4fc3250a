"""Crashes and lost counters during a rollout."""

from __future__ import annotations

import dataclasses

import pytest

from recommender_operator.api.version import VersionStage
from tests.unit.recommender_operator.started_worlds import in_canary
from tests.unit.recommender_operator.world import World


def candidate_of(world: World) -> str:
    return world.status.candidate or ""


def look(world: World, times: int = 1) -> None:
    for _ in range(times):
        world.reconcile()
        world.tick()


def crash(world: World, name: str) -> None:
    """The container crashes, and is ready again one look later."""
    service = world.services[name]
    service.crash()
    service.ready, service.pods = False, 0
    look(world)
    service.ready, service.pods = True, 1


def test_a_candidate_that_crashes_again_and_again_is_rolled_back_with_the_numbers() -> None:
    world = in_canary()
    candidate = candidate_of(world)
    crashes = 0
    while world.versions[candidate].status.stage is VersionStage.CANARY and crashes < 200:
        crash(world, candidate)
        look(world, 2)
        crashes += 1
    assert crashes == 4
    decision = world.versions[candidate].status.decision
    assert decision is not None
    assert (decision.outcome, decision.reason) == ("RolledBack", "CandidateUnstable")
    assert "4 restarts" in decision.message
    assert "OOMKilled" in decision.message
    assert world.route == {world.stable(): 100}
    assert world.status.consecutive_rollbacks == 1


@pytest.mark.parametrize("most", [0, 1])
def test_the_spec_limits_the_number_of_interruptions(most: int) -> None:
    world = in_canary(rollout={"analysis": {"maxInterruptions": most, "stepSeconds": 600}})
    candidate = candidate_of(world)
    for _ in range(most):
        world.services[candidate].crash()
        look(world)
    assert world.second_stage == "Canary"
    world.services[candidate].crash()
    look(world)
    assert world.second_stage == "RolledBack"


def test_losses_of_readiness_without_a_restart_are_limited_too() -> None:
    world = in_canary()
    service = world.services[candidate_of(world)]
    for _ in range(4):
        service.ready, service.pods = False, 0
        look(world)
        service.ready, service.pods = True, 1
        look(world, 2)
    assert world.second_stage == "RolledBack"


def test_evictions_do_not_count_as_interruptions() -> None:
    world = in_canary()
    candidate = candidate_of(world)
    service = world.services[candidate]
    for _ in range(20):
        service.ready, service.pods, service.disrupted = False, 0, True
        look(world)
        service.ready, service.pods, service.disrupted = True, 1, False
        look(world, 2)
    assert world.second_stage == "Canary"
    assert all(step.weight == 10 for step in world.versions[candidate].status.steps)
    world.settle()
    assert world.champion() == candidate


def test_restarts_before_the_rollout_are_not_counted() -> None:
    world = in_canary()
    candidate = candidate_of(world)
    world.services[candidate].restarts = 50
    interruptions = world.versions[candidate].status.interruptions.model_copy(update={"seen": 50})
    status = world.versions[candidate].status.model_copy(update={"interruptions": interruptions})
    world.versions[candidate] = dataclasses.replace(world.versions[candidate], status=status)
    world.settle()
    assert world.champion() == candidate


def test_a_restart_of_the_operator_counts_no_crash_twice() -> None:
    world = in_canary()
    candidate = candidate_of(world)
    world.services[candidate].crash()
    for after in range(4):
        world.reconcile(after)
    look(world)
    assert world.versions[candidate].status.interruptions.restarts == 1


@pytest.mark.parametrize("arm", ["candidate", "stable"])
def test_a_step_passes_only_on_a_window_without_loss(arm: str) -> None:
    world = in_canary(rollout={"analysis": {"stepSeconds": 30, "minRequests": 10}})
    candidate = candidate_of(world)
    name = candidate if arm == "candidate" else world.stable()
    look(world, 5)
    started = world.now
    world.services[name].crash()
    world.tick(1)
    world.reconcile()
    assert world.condition("AnalysisPassed") == ("Unknown", "Inconclusive")
    assert "counters of 1 pod" in world.message("AnalysisPassed")
    while world.route.get(candidate) == 10:
        look(world)
    assert (world.now - started).total_seconds() >= 30, "the window began before the loss"
    world.settle()
    assert world.champion() == candidate


def test_a_ready_pod_that_does_not_answer_holds_a_pass_back_until_it_does() -> None:
    """It may have crashed a moment ago, before its readiness tells."""
    world = in_canary(rollout={"analysis": {"stepSeconds": 30, "minRequests": 10}})
    candidate = candidate_of(world)
    world.others[candidate] = True
    look(world, 2)
    world.others[candidate] = False
    look(world, 20)
    assert world.route.get(candidate) == 10
    assert world.condition("AnalysisPassed") == ("Unknown", "Inconclusive")
    assert "1 ready pod of the candidate did not answer now" in world.message("AnalysisPassed")
    world.others[candidate] = True
    look(world, 2)
    assert world.route.get(candidate) == 50, "the window goes on"
    world.settle()
    assert world.champion() == candidate


def test_a_pod_that_did_not_answer_at_the_start_costs_one_more_window() -> None:
    world = in_canary(rollout={"analysis": {"stepSeconds": 30, "minRequests": 10}})
    candidate = candidate_of(world)
    world.others[candidate] = False
    world.baselines.clear()
    look(world, 10)
    world.others[candidate] = True
    look(world, 5)
    assert world.route.get(candidate) == 10, "the window began before all pods answered"
    look(world, 4)
    assert world.route.get(candidate) == 50
    world.settle()
    assert world.champion() == candidate


def test_a_pod_that_never_answers_is_held_at_the_deadline_and_is_no_failure() -> None:
    world = in_canary(
        rollout={"analysis": {"deadlineSeconds": 60, "stepSeconds": 20, "intervalSeconds": 5}}
    )
    candidate = candidate_of(world)
    world.others[candidate] = False
    look(world, 40)
    assert world.condition("AnalysisPassed") == ("Unknown", "HeldAtDeadline")
    assert world.versions[candidate].status.stage is VersionStage.CANARY


def test_a_pod_of_the_stable_version_that_does_not_answer_holds_nothing_back() -> None:
    world = in_canary()
    world.others[world.stable()] = False
    world.settle()
    assert world.second_stage == "Promoted"


def test_lost_counters_of_the_stable_version_do_not_fail_the_candidate() -> None:
    world = in_canary(
        rollout={"analysis": {"deadlineSeconds": 60, "stepSeconds": 20, "intervalSeconds": 5}}
    )
    candidate = candidate_of(world)
    for _ in range(40):
        world.services[world.stable()].crash()
        look(world)
    assert world.condition("AnalysisPassed") == ("Unknown", "HeldAtDeadline")
    assert world.versions[candidate].status.interruptions.count == 0


def test_a_bad_candidate_fails_even_if_its_counters_were_lost() -> None:
    world = in_canary()
    candidate = candidate_of(world)
    world.error_share[2] = 0.9
    world.services[candidate].served = 10_000
    look(world)
    world.services[candidate].crash()
    world.tick(5)
    world.reconcile()
    assert world.versions[candidate].status.stage is VersionStage.ROLLED_BACK
    decision = world.versions[candidate].status.decision
    assert decision is not None
    assert decision.reason == "AnalysisFailed"


def test_a_new_attempt_counts_from_zero() -> None:
    world = in_canary(rollout={"analysis": {"maxInterruptions": 0}})
    world.services[candidate_of(world)].crash()
    look(world)
    assert world.second_stage == "RolledBack"
    world.annotations["retry"] = "now"
    world.settle()
    assert world.second_stage == "Promoted"


def test_a_new_pod_without_restarts_does_not_reduce_the_count() -> None:
    world = in_canary(rollout={"analysis": {"maxInterruptions": 2, "stepSeconds": 600}})
    service = world.services[candidate_of(world)]
    for _ in range(2):
        service.crash()
        look(world)
    service.restarts = 0
    look(world)
    assert world.second_stage == "Canary"
    service.crash()
    look(world)
    assert world.second_stage == "RolledBack"
