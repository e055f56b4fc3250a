"""The fresh champion: a new deployment of the champion beside a candidate, and equal to it."""

from __future__ import annotations

from unittest import mock

import pytest

from recommender_operator import actions as a
from recommender_operator.analysis.counter_window import window_stats
from recommender_operator.observed import PLAIN, Routing
from recommender_operator.resources import baseline_deployment_names
from recommender_operator.rollout import input_breakage
from tests.unit.recommender_operator.baseline_deployment_worlds import (
    FRESH,
    beside,
    candidate,
    deployment,
    record,
    waiting,
)
from tests.unit.recommender_operator.drift_worlds import DRIFT
from tests.unit.recommender_operator.experiment_worlds import PLAN, reasons
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.started_worlds import in_canary, rolled_out_second
from tests.unit.recommender_operator.world import World


def test_at_each_step_it_has_as_much_as_the_candidate_or_half_of_what_is_left() -> None:
    world = beside(rollout=FRESH | {"steps": [{"weight": w} for w in (10, 50, 80, 100)]})
    world.settle()
    shares = [
        (action.weights[name], action.routing.fresh_weight)
        for action in world.log
        if isinstance(action, a.SetTraffic)
        for name in action.weights
        if world.seed_of(name) == 2
    ]
    assert list(dict.fromkeys(shares)) == [(10, 10), (50, 25), (80, 10), (100, 0)]
    assert world.second_stage == "Promoted"


def test_the_steps_compare_the_candidate_with_it() -> None:
    world = beside()
    world.services[world.stable()].failed += 50  # the other pods have a past
    world.watch(10)
    world.reconcile()
    (step,) = world.steps
    assert step.fresh_champion
    success = next(metric for metric in step.metrics if metric.metric == "successRate")
    assert success.stable_value == 1.0
    assert f"compared with {deployment(world)}" in world.message("AnalysisPassed")
    (window,) = [b for key, b in world.baselines.items() if key.startswith("step/")]
    assert set(window.samples) == {candidate(world), world.stable(), deployment(world)}


def test_people_see_it_in_the_status_and_in_an_event() -> None:
    world = beside()
    assert world.status.fresh_champion == deployment(world)
    assert (world.status.champion_weight, world.status.fresh_champion_weight) == (90, 10)
    assert f"the fresh champion {deployment(world)} 10 %" in world.message("Progressing")
    assert reasons(world).count("FreshChampionServes") == 1
    world.settle()
    after = world.status
    assert (after.fresh_champion, after.fresh_champion_weight) == (None, None)


def test_without_the_field_there_is_none() -> None:
    world = in_canary()
    assert (world.routing, world.status.fresh_champion) == (PLAIN, None)
    assert not list(filter(baseline_deployment_names.is_fresh, world.services))


def test_the_first_version_has_none() -> None:
    world = World(spec=spec(rollout=FRESH))
    world.settle()
    assert world.stages() == {17: "Promoted"}
    assert not [
        x
        for x in world.log
        if isinstance(x, a.EnsureService) and baseline_deployment_names.is_fresh(x.version)
    ]


def test_the_first_step_waits_until_it_is_ready() -> None:
    world = waiting()
    world.watch(60)
    assert (world.steps, world.weight) == ((), 0)
    assert "the fresh champion" in world.message("Progressing")
    world.services[deployment(world)].ctx(ready=True)
    world.watch(15)
    assert world.routing == Routing(fresh=deployment(world), fresh_weight=10)
    assert [step.weight for step in world.steps] == [10]


def test_one_that_is_never_ready_holds_the_rollout_for_a_bounded_time() -> None:
    world = waiting(serving={"readyDeadlineSeconds": 60})
    world.watch(90)
    assert [step.weight for step in world.steps] == [10]
    assert world.routing == PLAIN
    assert "it was not ready for 60 s" in record(world).given_up
    world.settle()
    assert world.second_stage == "Promoted"
    assert deployment(world) not in world.services
    assert not any(step.fresh_champion for v in world.versions.values() for step in v.status.steps)


@pytest.mark.parametrize("action", ["promote", "abort"])
def test_it_ends_with_the_rollout(action: str) -> None:
    world = beside()
    name = deployment(world)
    world.annotations[action] = "now"
    world.settle()
    assert name not in world.services
    assert world.routing == PLAIN
    assert world.second_stage == ("Promoted" if action == "promote" else "RolledBack")


def test_it_ends_with_a_rollback() -> None:
    world = beside()
    world.error_share[2] = 0.5
    world.settle()
    assert world.second_stage == "RolledBack"
    assert (deployment(world) in world.services, world.routing) == (False, PLAIN)


def test_its_service_stays_until_the_route_has_left_it() -> None:
    world = beside()
    name = deployment(world)
    world.accepted = False
    world.edit(rollout={})
    world.watch(30)
    assert name in world.services
    world.accepted = True
    world.watch(10)
    assert name not in world.services


def test_switched_off_the_step_begins_again_with_the_champions_other_pods() -> None:
    world = beside(rollout=FRESH | {"steps": [{"weight": 50}, {"weight": 100}]})
    world.watch(10)
    world.edit(rollout={"steps": [{"weight": 50}, {"weight": 100}]})
    world.reconcile()
    assert world.routing == PLAIN
    assert not [key for key in world.baselines if key.startswith("step/")]
    world.settle()
    assert world.second_stage == "Promoted"
    assert not list(filter(baseline_deployment_names.is_fresh, world.services))


def test_switched_on_in_a_step_it_serves_from_the_next_one_on() -> None:
    world = in_canary()
    began = next(b.taken_at for key, b in world.baselines.items() if key.startswith("step/"))
    world.edit(rollout=FRESH)
    world.watch(15)
    assert (deployment(world) in world.services, world.routing) == (True, PLAIN)
    assert "serves from the next step on" in world.message("Progressing")
    kept = [b.taken_at for key, b in world.baselines.items() if key.startswith("step/")]
    assert kept == [began], "the window of the step goes on"
    world.settle()
    (second,) = [v for v in world.versions.values() if v.spec.training.seed == 2]
    assert [step.fresh_champion for step in second.status.steps] == [None, True, None]


def test_while_paused_none_begins_but_one_that_dies_still_loses_its_requests() -> None:
    world = in_canary()
    world.edit(paused=True)
    world.edit(rollout=FRESH)
    world.watch(30)
    assert not list(filter(baseline_deployment_names.is_fresh, world.services))
    world = beside()
    world.edit(paused=True)
    world.services[deployment(world)].ctx(ready=False)
    world.watch(5)
    assert world.routing == PLAIN
    world.watch(3600, every=60)
    assert not record(world).given_up


def test_while_a_standby_answers_it_has_no_requests() -> None:
    world = rolled_out_second()
    world.edit(rollout=FRESH)
    world.seed(3)
    while not world.steps:
        world.reconcile()
        world.finish_jobs()
        world.tick()
    world.services[world.stable()].ctx(ready=False)
    world.reconcile()
    assert world.status.previous in world.route
    assert world.routing == PLAIN
    world.services[world.stable()].ctx(ready=True)
    name = baseline_deployment_names.deployment(world.stable())
    while world.routing.fresh != name:
        assert not counted(world.reconcile(), name), "it has no requests yet"
        world.tick()
    assert counted(world.reconcile(), name)
    world.settle()
    assert world.stages()[3] == "Promoted"


def counted(decision: a.Decision, name: str) -> bool:
    """Whether a window of a step begins that compares with a deployment."""
    saved = [action for action in decision.actions if isinstance(action, a.SaveBaseline)]
    return any(name in each.samples for each in saved if each.key.startswith("step/"))


def test_it_is_never_the_standby() -> None:
    world = beside()
    name = deployment(world)
    world.services[world.stable()].ctx(ready=False)
    world.watch(30)
    assert name not in world.route
    assert world.status.previous is None


def test_a_deleted_model_takes_it_along() -> None:
    world = beside(deletionPolicy="Delete")
    world.deleting = True
    world.settle()
    assert world.services == {}


def test_one_of_earlier_settings_is_written_again() -> None:
    world = beside()
    world.services[deployment(world)].outdated = True
    decision = world.reconcile()
    assert a.EnsureService(version=deployment(world)) in decision.actions


def test_in_an_experiment_both_deployments_of_the_champion_pass_its_users_on() -> None:
    plan = PLAN | {"weight": 40}
    steps = [{"weight": 10}, {"weight": 100}]
    world = beside(
        serving={"impressions": 1}, rollout=FRESH | {"steps": steps} | {"experiment": plan}
    )
    assert world.routing.experiment
    assert world.routing.fresh_weight == 11, "a ninth of what both get, of which a tenth passes"
    assert world.status.fresh_champion_weight == 10
    world.watch(60)
    assert world.route == {world.stable(): 60, candidate(world): 40}
    assert world.routing.fresh_weight == 50
    world.services[deployment(world)].ctx(ready=False)
    world.reconcile()
    assert (world.routing.fresh, bool(world.routing.experiment)) == ("", True)
    assert world.second_stage == "Canary"


def test_breaks_compare_the_candidate_with_it_and_later_with_all_of_the_former_champion() -> None:
    world = beside(retrain={"drift": DRIFT | {"windowSessions": 1_000_000}})
    world.reconcile()
    (window,) = [b for key, b in world.baselines.items() if key.startswith("break/")]
    assert set(window.samples) == {candidate(world), deployment(world)}
    former, second = world.stable(), candidate(world)
    while world.stable() == former:
        world.reconcile()
        world.tick()
    (start,) = [b for key, b in world.baselines.items() if key.startswith("rollout/")]
    (end,) = [b for key, b in world.baselines.items() if key.startswith("step/")]
    both = {former, baseline_deployment_names.deployment(former)}
    assert both <= set(start.samples)
    assert both <= set(end.samples)
    with mock.patch.object(input_breakage, "window_stats", wraps=window_stats) as counted:
        world.reconcile()
    (before, after), _ = counted.call_args
    assert set(before) == set(after) == {f"{name}-pod" for name in both}
    assert world.stable() == second


def test_the_first_write_of_a_look_that_loses_it_gives_the_candidate_no_more() -> None:
    world = beside()
    world.annotations["promote"] = "now"
    before = world.route
    world.services[deployment(world)].ctx(ready=False)
    first = world.reconcile().actions[0]
    assert isinstance(first, a.SetTraffic)
    assert first.weights == before
    world.settle()
    assert world.second_stage == "Promoted"


def test_in_the_shadow_phase_it_waits_and_loses_nothing() -> None:
    world = in_canary(rollout=FRESH | {"shadow": {}} | {"analysis": {"maxInterruptions": 0}})
    world.services[deployment(world)].ctx(ready=False)
    world.watch(30)
    assert world.weight == 0
    world.services[deployment(world)].ctx(ready=True)
    while world.weight == 0:
        world.watch(5)
    assert (record(world).given_up, record(world).outages) == ("", 0)
    assert world.routing.fresh == deployment(world)
