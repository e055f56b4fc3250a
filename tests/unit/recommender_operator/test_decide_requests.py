"""Requests of people: abort, retry, promote, retrain, rollbackTo by annotation and pin, pause."""

from __future__ import annotations

import dataclasses

import pytest

from recommender_operator import actions as a
from recommender_operator.api.version import VersionStage
from tests.unit.recommender_operator.simulation.cluster import BAD, spec
from tests.unit.recommender_operator.started_worlds import (
    in_canary,
    promoted_first,
    rolled_out_second,
)
from tests.unit.recommender_operator.world import World


def results(world: World) -> dict[str, str]:
    return {f"{h.action} {h.token}": h.result for h in world.status.handled}


def test_abort_withdraws_the_traffic_first_and_holds_until_retry() -> None:
    world = in_canary()
    stable = world.stable()
    world.annotations["abort"] = "1"
    decision = world.reconcile()
    assert decision.actions[0] == a.SetTraffic(weights={stable: 100})
    world.settle()
    assert world.stages()[2] == "RolledBack"
    assert world.status.consecutive_rollbacks == 0, "a human's abort is no automatic rollback"
    world.annotations["retry"] = "1"
    world.settle()
    assert world.stages()[2] == "Promoted"


def test_a_token_is_handled_once_and_recorded_with_its_result() -> None:
    world = in_canary()
    world.annotations["abort"] = "1"
    world.settle()
    world.annotations["retry"] = "1"
    world.settle()
    assert "was rolled back" in results(world)["abort 1"]
    assert "attempt 1" in results(world)["retry 1"]
    assert world.stages()[2] == "Promoted", "the old abort was obeyed again"


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
    assert world.stages()[2] == "Canary", "promoted before the data plane reports it"
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


def test_rollback_to_a_warm_version_is_one_write_of_the_route() -> None:
    world = rolled_out_second()
    first, second = world.status.previous or "", world.status.champion
    world.annotations["rollback-to"] = first
    decision = world.reconcile()
    assert decision.actions[0] == a.SetTraffic(weights={first: 100})
    assert world.champion() == first
    assert world.status.route_pending_since is not None, "its requests are still on their way"
    world.settle()
    assert world.status.route_pending_since is None
    assert world.stages() == {17: "Promoted", 2: "RolledBack"}
    assert world.condition("Ready") == ("True", "RolledBackTo")
    assert second not in world.services
    world.seed(3)
    world.settle()
    assert world.stages()[3] == "Promoted"


def test_after_a_rollback_to_the_spec_rolls_out_again_only_by_retry() -> None:
    world = rolled_out_second()
    world.annotations["rollback-to"] = f"{world.status.previous}#1"
    world.settle()
    world.edit(history={"limit": 4})
    world.settle()
    assert world.stages()[2] == "RolledBack"
    world.annotations["retry"] = "1"
    world.settle()
    assert world.versions[world.stable()].spec.training.seed == 2


def test_rollback_to_a_cold_version_deploys_and_tests_it_first() -> None:
    world = rolled_out_second()
    first = world.status.previous or ""
    world.seed(3)
    world.settle()
    assert first not in world.services
    world.annotations["rollback-to"] = first
    before = len(world.log)
    world.settle()
    done = [type(x).__name__ for x in world.log[before:]]
    assert done.index("EnsureService") < done.index("RunSmoke") < done.index("SetTraffic")
    assert world.champion() == first


def test_rollback_to_a_version_that_no_longer_answers_changes_nothing() -> None:
    world = rolled_out_second()
    first = world.status.previous or ""
    world.seed(3)
    world.settle()
    champion = world.champion()
    world.smoke_fails.add(17)
    world.annotations["rollback-to"] = first
    world.settle()
    assert world.champion() == champion
    assert world.condition("RequestsHonored") == ("False", "SmokeFailed")
    assert first not in world.services


@pytest.mark.parametrize("by", ["annotation", "pin"])
def test_rollback_to_a_version_that_is_not_ready_waits_its_deadline_and_not_its_age(
    by: str,
) -> None:
    world = rolled_out_second()
    first, champion = world.status.previous or "", world.stable()
    world.tick(5000)
    world.services[first].ready = False
    if by == "pin":
        world.edit(rollbackTo=first)
    else:
        world.annotations["rollback-to"] = first
    world.reconcile()
    world.watch(599)
    world.reconcile()
    assert world.condition("RequestsHonored") == ("Unknown", "UnderWay")
    world.tick(1)
    for _ in range(3):
        world.reconcile()
        world.tick()
    assert world.condition("RequestsHonored") == ("False", "NotReadyInTime")
    assert len([e for e in world.events if e.reason == "NotReadyInTime"]) == 1
    assert world.stable() == champion
    world.services[first].ready = True
    world.settle()
    assert world.stable() == (first if by == "pin" else champion)


@pytest.mark.parametrize(
    ("target", "reason"), [("nobody", "no version"), ("bad", "has not passed")]
)
def test_rollback_to_an_unpublished_version_lists_the_published_ones(
    target: str, reason: str
) -> None:
    world = promoted_first()
    world.metrics[2] = BAD
    world.seed(2)
    world.settle()
    bad = next(name for name in world.versions if name != world.champion())
    world.annotations["rollback-to"] = bad if target == "bad" else target
    world.settle()
    assert world.condition("RequestsHonored") == ("False", "UnknownVersion")
    assert reason in world.message("RequestsHonored")
    assert f"published versions: {world.champion()}" in world.message("RequestsHonored")


def test_rollback_to_trusts_the_gates_more_than_the_artifact() -> None:
    world = rolled_out_second()
    first = world.status.previous or ""
    version = world.versions[first]
    gates = tuple(g.model_copy(update={"passed": False}) for g in version.status.gates)
    status = version.status.model_copy(update={"gates": gates})
    world.versions[first] = dataclasses.replace(version, status=status)
    champion = world.stable()
    world.annotations["rollback-to"] = first
    world.settle()
    assert world.stable() == champion
    assert world.condition("RequestsHonored") == ("False", "UnknownVersion")


def test_rollback_to_ends_the_candidate() -> None:
    world = in_canary()
    champion = world.champion()
    world.annotations["rollback-to"] = f"{champion}"
    world.settle()
    assert world.champion() == champion
    assert world.stages()[2] == "RolledBack"
    assert world.route == {champion: 100}


@pytest.mark.parametrize("crash", range(5))
def test_rollback_to_reaches_the_same_end_wherever_the_operator_crashes(crash: int) -> None:
    world = rolled_out_second()
    first = world.status.previous
    world.annotations["rollback-to"] = f"{first}"
    world.reconcile(crash_after=crash)
    world.settle()
    assert world.champion() == first
    assert world.stages() == {17: "Promoted", 2: "RolledBack"}
    assert world.condition("Ready") == ("True", "RolledBackTo")


def test_a_pin_holds_and_lets_the_spec_roll_out_once_it_is_gone() -> None:
    world = rolled_out_second()
    first, second = world.status.previous, world.status.champion
    world.edit(rollbackTo=first)
    world.settle()
    assert world.champion() == first
    assert world.condition("Ready") == ("True", "Pinned")
    assert second in world.services, "the way back stays warm"
    world.seed(3)
    world.settle()
    assert 3 not in world.stages()
    world.edit(rollbackTo=None, training={"seed": 2})
    world.settle()
    assert world.champion() == second


def test_a_pin_to_a_missing_version_holds_everything_and_is_reported() -> None:
    world = in_canary()
    world.edit(rollbackTo="nobody")
    for _ in range(50):
        world.tick()
        world.reconcile()
    assert world.condition("Ready") == ("False", "Pinned")
    assert "no version 'nobody'" in world.message("Ready")
    assert world.condition("Progressing") == ("False", "Pinned")
    assert world.route[world.status.candidate or ""] == 10


def test_a_pin_is_stronger_than_the_annotation() -> None:
    world = rolled_out_second()
    second = world.status.champion
    world.edit(rollbackTo=second)
    world.annotations["rollback-to"] = f"{world.status.previous}"
    world.settle()
    assert world.champion() == second
    assert "pins" in results(world)[f"rollback-to {world.status.previous}"]


def test_a_paused_model_starts_nothing() -> None:
    world = promoted_first()
    world.edit(paused=True)
    world.seed(2)
    world.settle()
    assert world.stages() == {17: "Promoted"}
    assert world.condition("Progressing") == ("False", "Paused")
    world.edit(paused=False)
    world.settle()
    assert world.stages()[2] == "Promoted"


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
    assert world.stages()[2] == "RolledBack"
    assert world.route == {world.stable(): 100}


def test_no_deadline_rolls_back_a_paused_model() -> None:
    deadline = {"stepSeconds": 20, "intervalSeconds": 5, "deadlineSeconds": 300}
    world = in_canary(analysis=deadline | {"onDeadline": "RollBack"})
    world.edit(paused=True)
    world.requests_per_second = 0
    world.watch(301)
    world.reconcile()
    assert world.stages()[2] == "Canary"


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
    assert world.stages()[2] == "RolledBack"
    other = rolled_out_second()
    other.edit(paused=True)
    other.annotations["rollback-to"] = f"{other.status.previous}"
    first = other.status.previous
    other.settle()
    assert other.champion() == first


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
