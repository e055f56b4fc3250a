"""Rollbacks on request, by annotation or by a pin, to warm and to cold versions."""

from __future__ import annotations

import dataclasses

import pytest

from recommender_operator import actions as a
from tests.unit.recommender_operator.request_results import results
from tests.unit.recommender_operator.simulation.cluster import BAD
from tests.unit.recommender_operator.started_worlds import (
    in_canary,
    promoted_first,
    rolled_out_second,
)


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
    assert world.condition("Ready") == ("True", "Serving")
    assert world.condition("UpToDate") == ("False", "RolledBackTo")
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
    assert world.condition("Ready") == ("True", "Serving")
    assert world.condition("UpToDate") == ("False", "RolledBackTo")


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


def test_a_pin_that_is_removed_before_it_was_carried_out_asks_for_nothing() -> None:
    world = rolled_out_second()
    world.edit(rollbackTo="nobody")
    world.settle()
    assert world.condition("RequestsHonored") == ("False", "UnknownVersion")
    world.edit(rollbackTo=None)
    world.settle()
    assert world.condition("RequestsHonored") == ("True", "None")


def test_the_answer_to_an_annotation_stays_when_the_annotation_is_removed() -> None:
    world = rolled_out_second()
    world.annotations["rollback-to"] = "nobody"
    world.settle()
    del world.annotations["rollback-to"]
    world.settle()
    assert world.condition("RequestsHonored") == ("False", "UnknownVersion")


def test_a_long_answer_to_an_annotation_stays_too() -> None:
    world = rolled_out_second()
    world.edit(history={"limit": 50})
    world.settle()
    first = world.versions[world.status.previous or ""]
    for place in range(30):
        name = f"movies-{place:040}"
        world.versions[name] = dataclasses.replace(first, name=name, uid=f"uid-{place}")
    world.annotations["rollback-to"] = "nobody"
    world.reconcile()
    message = world.message("RequestsHonored")
    assert len(message) > 1024, "as much as is kept of an answer"
    del world.annotations["rollback-to"]
    world.reconcile()
    assert world.condition("RequestsHonored") == ("False", "UnknownVersion")
    assert world.message("RequestsHonored") == message


def test_a_pin_is_stronger_than_the_annotation() -> None:
    world = rolled_out_second()
    second = world.status.champion
    world.edit(rollbackTo=second)
    world.annotations["rollback-to"] = f"{world.status.previous}"
    world.settle()
    assert world.champion() == second
    assert "pins" in results(world)[f"rollback-to {world.status.previous}"]
