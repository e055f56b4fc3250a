"""The shadow phase: a candidate is judged by copies before any user sees an answer of it."""

from __future__ import annotations

import pytest

from recommender_operator.actions import EnsureService
from recommender_operator.observed import PLAIN, Routing
from tests.unit.recommender_operator.simulation.cluster import changed, spec
from tests.unit.recommender_operator.started_worlds import in_canary, rolled_out_second
from tests.unit.recommender_operator.world import World

SHADOW = {"shadow": {"share": 0.25, "minRequests": 100, "seconds": 120}}


def in_shadow(**sections: object) -> World:
    """A world whose second version gets copies."""
    world = in_canary(**changed({"rollout": SHADOW}, sections))
    assert [step.weight for step in world.steps] == [0]
    return world


def candidate(world: World) -> str:
    return world.status.candidate or ""


def highest_weight(world: World, seed: int) -> int:
    """Return the highest weight that a version had in the route."""
    weights = [
        action.weights.get(name, 0)
        for action in world.log
        if hasattr(action, "weights")
        for name in world.versions
        if world.seed_of(name) == seed
    ]
    return max(weights, default=0)


def test_a_good_candidate_passes_its_shadow_phase_and_then_its_steps() -> None:
    world = in_shadow()
    assert world.routing == Routing(shadow=f"{candidate(world)}:2500")
    assert candidate(world) not in world.route
    world.settle()
    assert world.second_stage == "Promoted"
    (second,) = [v for v in world.versions.values() if v.spec.training.seed == 2]
    assert [(step.weight, step.verdict) for step in second.status.steps] == [
        (0, "Pass"), (10, "Pass"), (50, "Pass"), (100, "Pass"),
    ]  # fmt: skip
    assert world.routing == PLAIN
    assert any("passed its shadow phase" in event.message for event in world.events)


def test_the_numbers_of_the_phase_are_those_of_the_copies() -> None:
    world = in_shadow()
    world.reconcile()
    (step,) = world.steps
    metrics = {metric.metric: metric for metric in step.metrics}
    assert metrics["successRate"].sample_size == 50  # a quarter of 40 requests in each second
    assert "missingFeatureShare" not in metrics
    assert step.verdict == "Inconclusive"
    assert world.condition("AnalysisPassed") == ("Unknown", "Inconclusive")
    assert world.message("AnalysisPassed").startswith("in the shadow phase: ")


def test_a_candidate_that_fails_is_rolled_back_before_any_user_saw_it() -> None:
    world = in_shadow()
    world.error_share[2] = 0.5
    world.settle()
    assert world.second_stage == "RolledBack"
    assert highest_weight(world, 2) == 0
    assert world.condition("AnalysisPassed") == ("False", "AnalysisFailed")
    assert "before any user saw an answer" in world.message("AnalysisPassed")
    assert world.routing == PLAIN
    assert world.status.consecutive_rollbacks == 1


def test_a_candidate_that_crashes_again_and_again_is_rolled_back() -> None:
    world = in_shadow()
    world.requests_per_second = 0
    for _ in range(4):
        world.services[candidate(world)].crash()
        world.reconcile()
        world.tick()
    assert world.second_stage == "RolledBack"
    assert highest_weight(world, 2) == 0
    assert world.condition("UpToDate") == ("False", "CandidateUnstable")


def test_a_candidate_that_is_not_ready_waits_without_a_withdrawal() -> None:
    world = in_shadow()
    world.services[candidate(world)].ctx(ready=False)
    world.watch(40)
    assert [step.weight for step in world.steps] == [0]
    version = world.versions[candidate(world)]
    assert version.status.interruptions.withdrawals == 0
    world.services[candidate(world)].ctx(ready=True)
    world.settle()
    assert world.second_stage == "Promoted"


def test_without_copies_the_steps_follow_after_the_time_of_the_phase() -> None:
    world = in_shadow()
    world.copies_sent = False  # as transformers of an earlier release
    world.watch(100)
    assert [step.weight for step in world.steps] == [0]
    world.watch(40)
    assert [step.weight for step in world.steps][:2] == [0, 10]
    assert world.steps[0].verdict == "Inconclusive"
    assert any("without a verdict" in event.message for event in world.events)


def test_lost_counters_start_the_window_of_the_phase_again() -> None:
    world = in_shadow()
    world.tick(5)
    world.services[candidate(world)].crash()
    world.services[candidate(world)].copied = 30
    world.tick(10)
    world.reconcile()
    assert [step.weight for step in world.steps] == [0]
    assert "were lost" in world.message("AnalysisPassed")
    world.settle()
    assert world.second_stage == "Promoted"


def test_a_pause_stops_the_phase_but_not_the_protection() -> None:
    world = in_shadow()
    world.edit(paused=True)
    world.watch(300)
    assert [step.weight for step in world.steps] == [0]
    world.error_share[2] = 0.5
    world.watch(30)
    assert world.second_stage == "RolledBack"


def test_a_phase_that_the_spec_no_longer_has_ends_and_the_steps_follow() -> None:
    world = in_shadow()
    world.edit(rollout={})
    world.reconcile()
    assert world.steps[0].ended_at is not None
    world.tick()
    world.reconcile()
    assert world.routing == PLAIN
    world.settle()
    assert world.second_stage == "Promoted"


@pytest.mark.parametrize("action", ["promote", "abort"])
def test_a_person_can_decide_in_the_phase(action: str) -> None:
    world = in_shadow()
    world.annotations[action] = "now"
    world.settle()
    (step,) = next(v for v in world.versions.values() if v.spec.training.seed == 2).status.steps
    assert step.ended_at is not None
    assert world.second_stage == ("Promoted" if action == "promote" else "RolledBack")
    assert world.weights_of(2) == [0], "a person skips the steps"
    assert world.routing == PLAIN
    if action == "promote":
        assert world.condition("AnalysisPassed") == ("Unknown", "NotAnalysed"), "no step passed"


def test_the_phase_waits_for_the_route_that_asks_for_copies() -> None:
    world = before_the_phase()
    first = next(v for v in world.versions.values() if v.spec.training.seed != 2)
    assert first.status.steps == ()  # it is compared with nothing
    world.accepted = True
    world.reconcile()
    assert [step.weight for step in world.steps] == [0]


def test_a_phase_that_the_spec_gets_when_users_are_on_their_way_is_for_the_next_rollout() -> None:
    world = World(spec=spec())
    world.settle()
    world.seed(2)
    while world.weight == 0:
        world.reconcile()
        world.finish_jobs()
        world.tick()
    assert world.steps == ()
    world.edit(rollout=SHADOW)
    world.settle()
    assert world.weights_of(2) == [10, 50, 100]


def before_the_phase(**sections: object) -> World:
    """A world whose second version is ready for its phase, but waits for the data plane."""
    world = World(spec=spec(**changed({"rollout": SHADOW}, sections)))
    world.settle()
    world.accepted = False
    world.seed(2)
    for _ in range(30):
        world.reconcile()
        world.finish_jobs()
        world.tick()
    assert world.routing.shadow
    assert not world.steps
    return world


def test_a_pause_before_the_phase_keeps_copies_from_being_sent() -> None:
    world = before_the_phase()
    world.edit(paused=True)
    world.accepted = True
    world.watch(30)
    assert world.routing == PLAIN
    assert not world.steps
    world.edit(paused=False)
    world.settle()
    assert world.second_stage == "Promoted"
    assert world.weights_of(2) == [0, 10, 50, 100]


def test_while_a_standby_answers_no_phase_begins_and_no_copies_are_sent() -> None:
    world = rolled_out_second()
    world.edit(rollout=SHADOW)
    champion = world.services[world.status.champion or ""]
    champion.ctx(ready=False)
    world.seed(3)
    world.settle_served()
    assert world.versions[candidate(world)].status.stage == "Canary"
    assert (world.routing, world.steps) == (PLAIN, ())
    champion.ctx(ready=True)
    world.settle()
    assert world.weights_of(3) == [0, 10, 50, 100]


@pytest.mark.parametrize("begun", [True, False])
def test_a_candidate_of_an_earlier_release_gets_copies_only_once_it_is_deployed_again(
    begun: bool,
) -> None:
    world = in_shadow() if begun else before_the_phase()
    world.accepted = True
    service = world.services[candidate(world)]
    service.outdated = True
    decision = world.reconcile()
    assert any(isinstance(action, EnsureService) for action in decision.actions)
    assert world.routing == PLAIN
    world.settle()
    assert world.weights_of(2) == [0, 10, 50, 100]


def test_a_service_that_cannot_be_written_again_keeps_the_phase_from_its_start() -> None:
    world = before_the_phase()
    world.accepted = True
    for _ in range(20):
        world.services[candidate(world)].outdated = True
        world.reconcile()
        world.tick()
    assert world.routing == PLAIN
    assert not world.steps


def test_a_candidate_that_is_not_ready_gets_no_copies_and_its_phase_ends_with_it() -> None:
    world = in_shadow(serving={"readyDeadlineSeconds": 60})
    name = candidate(world)
    world.services[name].ctx(ready=False)
    world.reconcile()
    assert world.routing == PLAIN
    world.watch(90)
    status = world.versions[name].status
    assert status.stage == "RolledBack"
    assert [step.ended_at is None for step in status.steps] == [False]


def test_people_read_of_copies_and_not_of_no_requests() -> None:
    world = in_shadow()
    world.reconcile()
    words = f"{candidate(world)} answers copies of a share of 0.25 of the requests (shadow phase)"
    assert world.message("Progressing").startswith(words)


def test_a_change_of_the_share_is_a_change_of_the_route() -> None:
    world = in_shadow()
    world.edit(rollout={"shadow": {"share": 0.5, "minRequests": 100000, "seconds": 120}})
    world.reconcile()
    assert world.routing.shadow == f"{candidate(world)}:5000"


def test_the_phase_has_no_window_of_breaks() -> None:
    drift = {"enabled": True, "windowSessions": 100, "consecutiveWindows": 1}
    world = World(spec=spec(rollout=SHADOW, retrain={"drift": drift}))
    world.settle_served()
    world.seed(2)
    while not world.steps:
        world.reconcile()
        world.finish_jobs()
        world.tick()
    assert [step.weight for step in world.steps] == [0]
    world.watch(10)
    assert f"break/{candidate(world)}" not in {key.rsplit("/", 1)[0] for key in world.baselines}
    assert f"rollout/{candidate(world)}" not in {key.rsplit("/", 1)[0] for key in world.baselines}
