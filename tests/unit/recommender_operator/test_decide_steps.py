"""Steps of a rollout: their clocks, deadlines and counters."""

from __future__ import annotations

import itertools

from recommender_operator.api.version import VersionStage
from tests.unit.recommender_operator.started_worlds import in_canary, promoted_first


def test_a_step_whose_candidate_gets_too_few_requests_is_held_at_its_deadline() -> None:
    world = in_canary()
    world.requests_per_second = 0
    world.watch(400)
    world.reconcile()
    world.watch(400)
    world.reconcile()
    assert world.condition("AnalysisPassed") == ("Unknown", "HeldAtDeadline")
    assert world.second_stage == "Canary"
    for _ in range(3):
        world.tick()
        world.reconcile()
    held = [e for e in world.events if e.reason == "HeldAtDeadline"]
    assert len(held) == 1, "said the same at each look"


def test_a_step_without_a_verdict_is_rolled_back_if_the_policy_requires_it() -> None:
    deadline = {"stepSeconds": 20, "intervalSeconds": 5, "deadlineSeconds": 300}
    world = in_canary(rollout={"analysis": deadline | {"onDeadline": "RollBack"}})
    world.requests_per_second = 0
    world.watch(301)
    world.reconcile()
    assert world.second_stage == "RolledBack"
    world.settle()
    assert world.condition("Ready") == ("True", "Serving")
    assert world.condition("UpToDate") == ("False", "InconclusiveAtDeadline")


def test_stray_requests_to_the_champion_at_weight_100_keep_no_verdict_from_a_quiet_model() -> None:
    # The Gateway may send requests of open connections to the champion for a while.
    deadline = {"stepSeconds": 20, "intervalSeconds": 5, "deadlineSeconds": 300}
    world = in_canary(
        rollout={"steps": [{"weight": 100}], "analysis": deadline | {"onDeadline": "RollBack"}}
    )
    world.requests_per_second = 1
    champion = world.status.champion or ""
    for _ in range(100):
        world.reconcile()
        world.tick()
        world.services[champion].serve(1, {})
    assert world.second_stage == "Promoted"


def test_a_passed_step_that_waits_for_a_person_has_a_new_deadline_when_it_no_longer_passes() -> (
    None
):
    deadline = {"stepSeconds": 20, "intervalSeconds": 5, "deadlineSeconds": 300}
    world = in_canary(
        rollout={
            "promotion": "Manual",
            "steps": [{"weight": 100}],
            "analysis": deadline | {"onDeadline": "RollBack"},
        },
    )
    world.watch(200)
    assert world.condition("AnalysisPassed")[1] == "AwaitingPromotion"
    world.watch(1000)
    world.mute.add(world.status.candidate or "")
    world.watch(60)
    assert world.second_stage == "Canary"
    world.watch(400)
    assert world.second_stage == "RolledBack"


def test_a_version_without_counters_is_an_error_that_promotes_nothing() -> None:
    world = in_canary()
    candidate = world.status.candidate or ""
    world.mute.add(candidate)
    for _ in range(20):
        world.tick()
        world.reconcile()
    assert world.condition("AnalysisPassed") == ("Unknown", "Error")
    assert "no counters" in world.message("AnalysisPassed")
    assert world.versions[candidate].status.weight == 10
    world.mute.clear()
    world.settle()
    assert world.second_stage == "Promoted"


def test_changing_numbers_are_written_once_per_interval_and_a_new_verdict_at_once() -> None:
    # Each write wakes the operator, so a write at each look would keep it busy forever.
    world = in_canary(
        rollout={"analysis": {"intervalSeconds": 30, "stepSeconds": 600, "minRequests": 100000}}
    )
    candidate = world.status.candidate or ""
    writes: list[int] = []
    for second in range(61):
        before = world.versions[candidate].status
        world.reconcile()
        if world.versions[candidate].status != before:
            writes.append(second)
        world.tick(1)
    assert len(writes) == 3, writes
    assert [after - before for before, after in itertools.pairwise(writes)] == [30, 30]
    world.error_share[2] = 1.0
    world.tick(20)
    world.reconcile()
    assert world.versions[candidate].status.steps[-1].verdict == "Fail"


def test_the_step_clock_waits_for_the_data_plane() -> None:
    world = promoted_first()
    world.seed(2)
    world.accepted = False
    for _ in range(30):
        world.reconcile()
        world.finish_jobs()
        world.tick()
    candidate = world.versions[world.status.candidate or ""]
    assert candidate.status.stage is VersionStage.CANARY
    assert candidate.status.steps == ()
    assert "once the data plane reports it" in world.message("Progressing")
