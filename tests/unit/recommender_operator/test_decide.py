"""Rollouts from end to end in a simulated cluster, with the real analysis."""

from __future__ import annotations

import pytest

from recommender_operator import actions as a
from recommender_operator.api.spec import RecommenderModelSpec
from recommender_operator.api.version import TERMINAL, VersionStage
from recommender_operator.decide import STAGES
from recommender_operator.observed import JobKind
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.started_worlds import (
    in_canary,
    promoted_first,
    rolled_out_second,
)
from tests.unit.recommender_operator.world import World


def test_the_first_version_receives_all_requests_and_is_ready() -> None:
    world = promoted_first()
    assert world.stages() == {17: "Promoted"}
    assert list(world.route.values()) == [100]
    assert world.condition("Ready") == ("True", "Settled")
    assert world.condition("Available") == ("True", "Serving")
    decision = world.versions[world.stable()].status.decision
    assert decision is not None
    assert decision.reason == "InitialRollout"


def test_a_good_version_passes_every_step_and_the_former_one_stays_warm() -> None:
    world = rolled_out_second()
    assert world.stages() == {17: "Promoted", 2: "Promoted"}
    assert world.status.champion == world.champion()
    assert set(world.services) == {world.status.champion, world.status.previous}
    candidate = world.stable()
    splits = [x.weights.get(candidate, 0) for x in world.log if isinstance(x, a.SetTraffic)]
    assert splits[-3:] == [10, 50, 100]
    record = world.versions[candidate or ""].status
    assert [(s.weight, s.verdict) for s in record.steps] == [
        (10, "Pass"),
        (50, "Pass"),
        (100, "Pass"),
    ]
    assert all(s.metrics for s in record.steps)
    assert world.condition("AnalysisPassed") == ("True", "StepsPassed")


def test_a_failing_version_loses_its_requests_before_anything_else_is_written() -> None:
    world = in_canary()
    world.error_share[2] = 0.5
    for _ in range(20):
        decision = world.reconcile()
        if any(isinstance(x, a.SetTraffic) for x in decision.actions):
            break
        world.tick()
    stable = world.stable()
    assert decision.actions[0] == a.SetTraffic(weights={stable: 100})
    world.settle()
    assert world.second_stage == "RolledBack"
    assert world.condition("Ready") == ("True", "Serving")
    assert world.condition("UpToDate") == ("False", "AnalysisFailed")
    assert world.condition("Available") == ("True", "Serving")
    assert world.status.consecutive_rollbacks == 1
    assert "successRate" in world.message("UpToDate")
    assert "recommender.dev/retry" in world.message("UpToDate")


def test_a_new_spec_supersedes_the_version_on_its_way() -> None:
    world = in_canary()
    stable = world.stable()
    world.seed(3)
    decision = world.reconcile()
    assert decision.actions[0] == a.SetTraffic(weights={stable: 100})
    assert world.second_stage == "Superseded"
    world.settle()
    assert world.stages() == {17: "Promoted", 2: "Superseded", 3: "Promoted"}


def test_a_former_champion_that_the_spec_describes_again_is_not_trained_again() -> None:
    world = rolled_out_second()
    trainings = [x for x in world.log if isinstance(x, a.StartJob) and x.kind is JobKind.TRAIN]
    world.seed(17)
    world.settle()
    again = [x for x in world.log if isinstance(x, a.StartJob) and x.kind is JobKind.TRAIN]
    assert again == trainings
    champion = world.versions[world.stable()]
    assert champion.spec.training.seed == 17
    assert [s.weight for s in champion.status.steps] == [10, 50, 100]


def test_a_rolled_back_version_stays_rolled_back() -> None:
    world = in_canary()
    world.error_share[2] = 0.5
    world.settle()
    world.edit(history={"limit": 3})
    world.settle()
    assert world.second_stage == "RolledBack"


def test_two_rollbacks_in_a_row_lock_until_a_retry() -> None:
    world = in_canary()
    world.error_share.update({2: 0.5, 3: 0.5})
    world.settle()
    world.seed(3)
    world.settle()
    assert world.status.locked
    assert world.condition("Locked") == ("True", "Locked")
    world.seed(4)
    world.settle()
    assert 4 not in world.stages()
    assert world.condition("Progressing") == ("False", "Locked")
    assert [e.type for e in world.events if e.reason == "Locked"] == ["Warning"]
    world.annotations["retry"] = "go"
    world.settle()
    assert not world.status.locked
    assert world.stages()[4] == "Promoted"
    assert world.status.consecutive_rollbacks == 0


def test_manual_promotion_waits_for_the_annotation() -> None:
    world = in_canary(rollout={"promotion": "Manual"})
    for _ in range(60):
        world.tick()
        world.reconcile()
    candidate = world.status.candidate or ""
    assert world.route == {candidate: 100}
    assert world.condition("AnalysisPassed") == ("True", "AwaitingPromotion")
    assert len([e for e in world.events if e.reason == "AwaitingPromotion"]) == 1
    world.annotations["promote"] = "ok"
    world.settle()
    assert world.champion() == candidate
    decision = world.versions[candidate].status.decision
    assert decision is not None
    assert not decision.automatic


def test_a_version_that_waits_for_promotion_is_still_watched() -> None:
    world = in_canary(rollout={"promotion": "Manual"})
    for _ in range(60):
        world.tick()
        world.reconcile()
    world.error_share[2] = 0.9
    world.settle()
    assert world.second_stage == "RolledBack"


@pytest.mark.parametrize("mode", ["Auto", "Manual"])
def test_a_first_version_needs_no_approval(mode: str) -> None:
    world = World(spec=spec(rollout={"promotion": mode}))
    world.settle()
    assert world.stages() == {17: "Promoted"}


def test_a_spec_survives_serialization() -> None:
    requested = spec()
    assert RecommenderModelSpec.model_validate(requested.dump()) == requested


def test_each_stage_that_is_no_end_has_a_step() -> None:
    assert STAGES.keys() == set(VersionStage) - TERMINAL
