"""A fresh champion that fails: its share returns, and the candidate loses nothing by it."""

from __future__ import annotations

import dataclasses
from unittest import mock

import pytest

from recommender_operator import actions as a
from recommender_operator.analysis.counter_window import window_stats
from recommender_operator.extensions.baseline import baseline_deployment
from recommender_operator.observed import PLAIN, Baseline
from recommender_operator.rollout import input_breakage, readiness
from tests.unit.recommender_operator.baseline_deployment_worlds import (
    FRESH,
    beside,
    candidate,
    deployment,
    record,
    waiting,
)
from tests.unit.recommender_operator.drift_worlds import DRIFT
from tests.unit.recommender_operator.experiment_worlds import reasons
from tests.unit.recommender_operator.world import World

LONG = {"stepSeconds": 600, "intervalSeconds": 5, "deadlineSeconds": 6000}


def window(world: World, kind: str = "step/") -> Baseline:
    (found,) = [b for key, b in world.baselines.items() if key.startswith(kind)]
    return found


def test_if_it_dies_its_requests_return_before_anything_else_is_written() -> None:
    world = beside()
    world.services[deployment(world)].ctx(ready=False, falls_back=True)
    decision = world.reconcile()
    first = decision.actions[0]
    assert isinstance(first, a.SetTraffic)
    assert (first.weights, first.routing) == ({world.stable(): 90, candidate(world): 10}, PLAIN)
    assert record(world).outages == 1
    assert reasons(world).count("FreshChampionUnavailable") == 1
    assert world.status.fresh_champion_weight == 0


def test_while_it_is_away_a_candidate_that_breaks_a_limit_is_still_rolled_back() -> None:
    world = beside()
    world.services[deployment(world)].ctx(ready=False)
    world.reconcile()
    world.error_share[2] = 0.5
    world.watch(60)
    assert world.second_stage == "RolledBack"


def test_one_that_fails_again_and_again_is_given_up() -> None:
    steps = [{"weight": w} for w in (10, 20, 40, 100)]
    world = beside(rollout=FRESH | {"steps": steps} | {"analysis": {"maxInterruptions": 1}})
    for _ in range(2):
        while world.routing.fresh != deployment(world):
            world.watch(5)
        world.services[deployment(world)].ctx(ready=False)
        world.watch(5)
        world.services[deployment(world)].ctx(ready=True)
    assert "it failed 2 times, rollout.analysis.maxInterruptions is 1" in record(world).given_up
    assert world.routing == PLAIN
    assert world.weight == 20
    world.settle()
    assert world.second_stage == "Promoted"


@pytest.mark.parametrize("weight", [10, 80])
def test_if_it_dies_the_step_begins_again_with_the_champions_other_pods(weight: int) -> None:
    steps = [{"weight": w} for w in (weight, 90, 100)]
    world = beside(rollout=FRESH | {"steps": steps})
    world.watch(15)
    world.services[deployment(world)].ctx(ready=False)
    died = world.now
    world.watch(10)
    assert (window(world).taken_at - died).total_seconds() <= 5
    assert set(window(world).samples) == {candidate(world), world.stable()}
    world.services[deployment(world)].ctx(ready=True)
    world.watch(5)
    assert world.routing == PLAIN, "until the end of the step"
    world.settle()
    (second,) = [v for v in world.versions.values() if v.spec.training.seed == 2]
    compared = [step.fresh_champion for step in second.status.steps]
    assert compared == [None, True, None], "the next step has it again"
    assert "latencyMedianMilliseconds" in {m.metric for m in second.status.steps[0].metrics}


@pytest.mark.parametrize("weight", [10, 80])
def test_a_cause_that_all_share_while_it_is_away_is_not_the_candidates(weight: int) -> None:
    world = beside(
        rollout=FRESH | {"steps": [{"weight": weight}, {"weight": 100}]} | {"analysis": LONG}
    )
    world.watch(100)
    world.services[deployment(world)].ctx(ready=False)
    world.reconcile()
    world.error_share = {17: 0.3, 2: 0.3}
    world.watch(60)
    world.error_share = {}
    world.services[deployment(world)].ctx(ready=True)
    world.watch(120)
    assert world.second_stage == "Canary"


def test_one_that_is_not_ready_at_the_next_step_is_left_out_of_it() -> None:
    world = beside()
    world.services[deployment(world)].ctx(ready=False)
    world.settle()
    (second,) = [v for v in world.versions.values() if v.spec.training.seed == 2]
    assert [step.fresh_champion for step in second.status.steps] == [None, None, None]
    assert world.second_stage == "Promoted"


def test_one_that_stays_away_in_a_long_step_is_given_up_and_the_window_goes_on() -> None:
    world = beside(rollout={"analysis": LONG}, serving={"readyDeadlineSeconds": 60})
    world.services[deployment(world)].ctx(ready=False)
    world.watch(30)
    began = window(world).taken_at
    world.watch(60)
    assert "it was not ready for 60 s" in record(world).given_up
    assert window(world).taken_at == began
    assert deployment(world) not in world.services


def test_one_with_only_some_of_its_pods_loses_its_share_after_the_grace_of_a_candidate() -> None:
    world = beside(rollout={"analysis": LONG})
    world.services[deployment(world)].ready = False  # one pod is left
    grace = readiness.GRACE.total_seconds()
    world.watch(grace)
    assert world.routing.fresh == deployment(world)
    assert record(world).impaired_since is not None
    world.watch(10)
    assert world.routing == PLAIN
    assert (record(world).outages, record(world).impaired_since) == (1, None)
    assert any("only partly ready" in event.message for event in world.events)


def test_one_that_is_whole_again_within_the_grace_loses_nothing() -> None:
    world = beside(rollout={"analysis": LONG})
    for _ in range(5):
        world.services[deployment(world)].ready = False
        world.watch(20)
        world.services[deployment(world)].ready = True
        world.watch(10)
    assert world.routing.fresh == deployment(world)
    assert (record(world).outages, record(world).impaired_since) == (0, None)


def test_one_whose_counters_stay_unread_loses_its_share_before_the_deadline_of_the_step() -> None:
    world = beside(rollout={"analysis": {"deadlineSeconds": 300, "stepSeconds": 100}})
    world.mute.add(deployment(world))
    world.watch(baseline_deployment.UNREAD.total_seconds())
    assert world.routing.fresh == deployment(world)
    world.watch(10)
    assert world.routing == PLAIN
    assert any("has no counters (no pod answered)" in event.message for event in world.events)
    world.settle()
    assert world.second_stage == "Promoted"


def test_the_deadline_of_a_step_begins_again_with_its_window() -> None:
    limits = {"deadlineSeconds": 60, "intervalSeconds": 5, "stepSeconds": 20}
    world = beside(
        rollout={"analysis": limits | {"minRequests": 100_000, "onDeadline": "RollBack"}}
    )
    world.watch(45)
    world.services[deployment(world)].ctx(ready=False)
    world.watch(50)
    assert world.second_stage == "Canary"
    world.watch(30)
    assert world.second_stage == "RolledBack"


@pytest.mark.parametrize("kind", ["step/", "rollout/"])
@pytest.mark.parametrize("is_kept", [True, False])
def test_one_whose_counters_are_too_many_for_a_window_is_given_up(
    kind: str, is_kept: bool
) -> None:
    world = beside(rollout={"analysis": LONG})
    (key,) = [key for key in world.baselines if key.startswith(kind)]
    samples = world.baselines[key].samples if is_kept else {}
    world.baselines[key] = dataclasses.replace(
        world.baselines[key], error="too large", samples=samples
    )
    first = world.reconcile().actions[0]
    assert isinstance(first, a.SetTraffic)
    assert first.routing == PLAIN
    assert "could not be stored with its own: too large" in record(world).given_up
    world.tick()
    world.watch(10)
    for one in ("step/", "rollout/"):
        assert not window(world, one).error
        assert kind != one or deployment(world) not in window(world, one).samples


def test_while_its_account_is_not_allowed_no_waiting_ends() -> None:
    world = waiting(serving={"readyDeadlineSeconds": 60})
    del world.services[deployment(world)]
    account = {
        "podTemplate": {"spec": {"serviceAccountName": "reader"}},
        "readyDeadlineSeconds": 60,
    }
    world.edit(serving=account)
    world.watch(300)
    assert (record(world).given_up, world.second_stage, world.steps) == ("", "Canary", ())
    world.platform = dataclasses.replace(world.platform, service_accounts=(("shop", ("reader",)),))
    world.settle()
    assert world.second_stage == "Promoted"
    assert record(world).given_up == ""


def test_while_it_is_away_breaks_compare_the_candidate_with_the_other_pods() -> None:
    world = beside(
        retrain={"drift": DRIFT | {"windowSessions": 1_000_000}}, rollout={"analysis": LONG}
    )
    world.reconcile()
    assert deployment(world) in window(world, "break/").samples
    world.edit(paused=True)
    world.services[deployment(world)].ctx(ready=False)
    world.watch(15)
    assert set(window(world, "break/").samples) == {candidate(world), world.stable()}


@pytest.mark.parametrize("restarts", [False, True])
def test_one_that_restarted_does_not_void_what_the_former_champion_served(restarts: bool) -> None:
    world = beside(retrain={"drift": DRIFT | {"windowSessions": 1_000_000}})
    former, name = world.stable(), deployment(world)
    world.watch(10)
    if restarts:
        world.services[name].crash()
    while world.stable() == former:
        world.watch(5)
    with mock.patch.object(input_breakage, "window_stats", wraps=window_stats) as counted:
        world.reconcile()
    (before, after), _ = counted.call_args
    counts = [former] if restarts else [former, name]
    assert set(before) == set(after) == {f"{each}-pod" for each in counts}
