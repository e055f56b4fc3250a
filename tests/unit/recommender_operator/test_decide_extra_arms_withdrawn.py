"""A further version of an experiment that is withdrawn: in which order, and for how long."""

from __future__ import annotations

import datetime

import pytest

from recommender_operator import actions as a
from recommender_operator.context import Context, Outcome, routing
from recommender_operator.experiments.decision import Decision, Kind
from recommender_operator.experiments.extra_arm_tests import Arm
from recommender_operator.extensions.experiment.experiment_record import Finding, note
from recommender_operator.extensions.registry import EXTENSIONS
from tests.unit.recommender_operator.arm_worlds import (
    FORMER,
    arm,
    champions,
    measuring,
    name_of,
    tells,
)
from tests.unit.recommender_operator.experiment_worlds import (
    PLAN,
    Judge,
    experiment,
    reasons,
    until,
    users,
)
from tests.unit.recommender_operator.world import World

COLD, WARM = FORMER


def delete(world: World, seed: int) -> None:
    name = name_of(world, seed)
    del world.versions[name], world.services[name]


def withdrawn_on_the_route(world: World) -> set[str]:
    seen = users(world)
    assert seen is not None
    return {each.version for each in seen.further if each.withdrawn}


@pytest.mark.parametrize("why", ["harm", "deletion"])
def test_a_look_that_withdraws_one_gives_the_candidate_nothing_before_it_is_recorded(
    why: str, judge: Judge
) -> None:
    world = measuring()
    cold, split = name_of(world, COLD), dict(world.route)
    world.watch(60)
    if why == "harm":
        tells(judge, cold, harmed="clicks are worse")
    else:
        delete(world, COLD)
    judge.kind = Kind.PROMOTE
    world.reconcile(crash_after=1)
    assert withdrawn_on_the_route(world) == {cold}
    assert world.route == split
    seen, lasting = users(world), routing.running(experiment(world))
    assert seen is not None
    assert lasting is not None
    assert (seen.phase, seen.percent) == (lasting.number, lasting.weight)
    assert not experiment(world).arms[0].withdrawn, "the crash came before the record"
    decision = world.reconcile()
    assert isinstance(decision.actions[0], a.SetTraffic)
    assert experiment(world).arms[0].withdrawn
    assert (world.route, world.second_stage) == (split, "Canary")
    assert decision.requeue_after is not None
    assert decision.requeue_after.total_seconds() == 1
    world.settle()
    assert world.second_stage == "Promoted"


def test_a_deletion_protects_users_even_while_paused(judge: Judge) -> None:
    world = measuring()
    cold = name_of(world, COLD)
    world.edit(paused=True)
    delete(world, COLD)
    decision = world.reconcile()
    assert isinstance(decision.actions[0], a.SetTraffic)
    assert withdrawn_on_the_route(world) == {cold}
    judge.kind = Kind.ROLL_BACK
    world.reconcile()
    assert world.second_stage == "RolledBack", "the next look judges as before"


@pytest.mark.parametrize("minutes", [16, -16])
def test_numbers_of_another_time_withdraw_one_that_harms_and_say_nothing_else(
    minutes: int, judge: Judge
) -> None:
    world = measuring()
    cold, warm = name_of(world, COLD), name_of(world, WARM)
    tells(judge, warm, users=700)
    world.watch(60)
    world.users.lag = datetime.timedelta(minutes=minutes)
    tells(judge, cold, harmed="clicks are worse")
    tells(judge, warm, users=800)
    world.watch(5)
    assert withdrawn_on_the_route(world) == {cold}
    assert arm(world, COLD).withdrawn == "clicks are worse"
    at = arm(world, COLD).withdrawn_at
    assert at is not None
    world.watch(120)
    assert arm(world, COLD).withdrawn_at == at, "the time is that of the withdrawal"
    assert arm(world, WARM).withdrawn_at is None
    assert (arm(world, WARM).users, arm(world, WARM).withdrawn) == (700, "")
    assert experiment(world).verdict == "Error"
    assert reasons(world).count("ArmWithdrawn") == 1


def test_numbers_of_another_time_withdraw_nothing_that_a_person_only_observes(
    judge: Judge,
) -> None:
    world = measuring(mode="Observe")
    world.users.lag = datetime.timedelta(minutes=16)
    tells(judge, name_of(world, COLD), harmed="clicks are worse")
    world.watch(60)
    assert experiment(world).verdict == "Error"
    assert not arm(world, COLD).withdrawn


@pytest.mark.parametrize("after", [60, 100])
def test_none_is_deployed_again_while_a_candidate_that_had_more_is_not_ready(
    after: int, judge: Judge
) -> None:
    world = measuring(champions(rollout={"steps": [{"weight": w} for w in (10, after, 100)]}))
    cold, candidate = name_of(world, COLD), name_of(world, 2)
    judge.kind = Kind.PROMOTE
    until(world, lambda: bool(world.steps) and world.steps[-1].weight == after)
    until(world, lambda: cold not in world.services)
    world.services[candidate].ctx(ready=False)
    until(world, lambda: world.weight == 0)
    world.watch(30)
    assert cold not in world.services
    world.services[candidate].ctx(ready=True)
    world.settle()
    assert world.second_stage == "Promoted"


def test_numbers_of_a_deleted_one_do_not_bring_it_back(judge: Judge) -> None:
    world = measuring()
    tells(judge, name_of(world, COLD))
    written = experiment(world).judged_at
    until(world, lambda: experiment(world).judged_at != written)
    world.watch(55)
    delete(world, COLD)
    # The numbers are due in this look, a minute after the last ones.
    world.reconcile()
    assert experiment(world).arms[0].withdrawn == "it was deleted"
    world.watch(120)
    assert experiment(world).arms[0].withdrawn == "it was deleted"
    assert reasons(world).count("ArmWithdrawn") == 1


def test_numbers_of_a_withdrawn_one_change_nothing(judge: Judge) -> None:
    world = measuring()
    tells(judge, name_of(world, COLD), harmed="clicks are worse")
    until(world, lambda: bool(arm(world, COLD).withdrawn))
    out = Outcome(world.observe(), world.now, EXTENSIONS)
    before = arm(world, COLD)
    late = Arm(version=before.version, users=900, comparisons=(), guardrails=())
    decided = Decision(kind=Kind.KEEP_RUNNING, message="", further=(late,))
    for found in (
        Finding(verdict=Kind.KEEP_RUNNING, message="", decision=decided, final=True),
        Finding(verdict="Error", message="", harmed={before.version: "it harms again"}),
    ):
        assert note(Context(out), out, name_of(world, 2), found).arms[0] == before


def test_one_that_its_users_rolled_back_can_be_compared_again(judge: Judge) -> None:
    world = champions()
    world.edit(rollout={"experiment": PLAN}, training={"seed": 5})
    judge.kind = Kind.ROLL_BACK
    until(world, lambda: world.stages().get(5) == "RolledBack")
    world.settle()
    assert name_of(world, 5) not in world.services
    judge.kind = Kind.KEEP_RUNNING
    measuring(world, arms=[{"version": name_of(world, 5)}])
    assert name_of(world, 5) in world.services
    seen = users(world)
    assert seen is not None
    assert [(each.version, each.first) for each in seen.further] == [(name_of(world, 5), 20)]
