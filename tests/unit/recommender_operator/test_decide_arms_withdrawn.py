"""A further version of an experiment that is withdrawn: in which order, and for good."""

from __future__ import annotations

import pytest

from recommender_operator import actions as a
from recommender_operator.experiments.decision import Kind
from recommender_operator.phases import routing
from tests.unit.recommender_operator.arm_worlds import (
    FORMER,
    measuring,
    name_of,
    tells,
)
from tests.unit.recommender_operator.experiment_worlds import Judge, experiment, users
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
    assert (world.route, world.stages()[2]) == (split, "Canary")
    assert decision.requeue_after is not None
    assert decision.requeue_after.total_seconds() == 1
    world.settle()
    assert world.stages()[2] == "Promoted"


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
    assert world.stages()[2] == "RolledBack", "the next look judges as before"
