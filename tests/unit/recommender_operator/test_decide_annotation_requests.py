"""Requests of people by annotation: abort, retry, promote, each token once."""

from __future__ import annotations

import pytest

from recommender_operator import actions as a
from recommender_operator.api.version import VersionStage
from tests.unit.recommender_operator.request_results import results
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.started_worlds import in_canary, promoted_first
from tests.unit.recommender_operator.world import World


def test_abort_withdraws_the_traffic_first_and_holds_until_retry() -> None:
    world = in_canary()
    stable = world.stable()
    world.annotations["abort"] = "1"
    decision = world.reconcile()
    assert decision.actions[0] == a.SetTraffic(weights={stable: 100})
    world.settle()
    assert world.second_stage == "RolledBack"
    assert world.status.consecutive_rollbacks == 0, "a human's abort is no automatic rollback"
    world.annotations["retry"] = "1"
    world.settle()
    assert world.second_stage == "Promoted"


def test_a_token_is_handled_once_and_recorded_with_its_result() -> None:
    world = in_canary()
    world.annotations["abort"] = "1"
    world.settle()
    world.annotations["retry"] = "1"
    world.settle()
    assert "was rolled back" in results(world)["abort 1"]
    assert "attempt 1" in results(world)["retry 1"]
    assert world.second_stage == "Promoted", "the old abort was obeyed again"


def test_the_newest_token_of_each_action_is_remembered_however_many_others_follow() -> None:
    world = promoted_first()
    world.annotations["rollback-to"] = "nobody"
    for token in range(40):
        world.annotations["retry"] = str(token)
        world.reconcile()
    assert len(world.status.handled) <= 20
    assert "rollback-to nobody" in results(world)
    warned = [e for e in world.events if e.reason == "UnknownVersion"]
    assert len(warned) == 1


@pytest.mark.parametrize("action", ["abort", "retry", "promote"])
def test_an_impossible_request_is_refused_with_the_reason(action: str) -> None:
    world = promoted_first()
    world.annotations[action] = "1"
    world.settle()
    assert results(world)[f"{action} 1"].startswith("Refused: ")
    assert world.condition("RequestsHonored") == ("False", "Refused")


def test_promote_skips_the_remaining_steps() -> None:
    world = in_canary()
    candidate = world.status.candidate
    world.annotations["promote"] = "now"
    world.reconcile()
    assert world.route == {candidate: 100}
    assert world.second_stage == "Canary", "promoted before the data plane reports it"
    world.reconcile()
    assert world.champion() == candidate


def test_promote_is_refused_before_gates_and_smoke_test() -> None:
    world = promoted_first()
    world.seed(2)
    world.reconcile()
    world.reconcile()
    world.annotations["promote"] = "early"
    world.reconcile()
    assert results(world)["promote early"].startswith("Refused: ")


def test_an_aborted_first_version_leaves_no_route_and_no_service() -> None:
    world = World(spec=spec())
    for _ in range(20):
        world.reconcile()
        world.finish_jobs()
        world.tick()
        if world.route:
            break
    world.annotations["abort"] = "1"
    world.settle()
    assert world.route == {}
    assert world.services == {}
    assert world.condition("Ready") == ("False", "Aborted")
    stages = [v.status.stage for v in world.versions.values()]
    assert stages == [VersionStage.ROLLED_BACK]
