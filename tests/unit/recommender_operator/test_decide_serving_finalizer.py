"""A ModelVersion that serves, and whose record somebody deletes, serves on."""

from __future__ import annotations

import dataclasses

import pytest

from recommender_operator import actions as a
from recommender_operator.api.version import VersionStage
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.started_worlds import (
    in_canary,
    promoted_first,
    rolled_out_second,
)
from tests.unit.recommender_operator.world import World


def remove(world: World, name: str) -> None:
    """Delete a version as `kubectl delete` does, with garbage collection if nothing holds it."""
    version = world.versions[name]
    if version.held:
        world.versions[name] = dataclasses.replace(version, deleting=True)
    else:
        del world.versions[name]
        world.services.pop(name, None)


def since(world: World, start: int) -> set[type]:
    return {type(action) for action in world.log[start:]}


def held(world: World) -> set[str]:
    return {name for name, version in world.versions.items() if version.held}


@pytest.mark.parametrize("previous", [True, False], ids=["with previous", "alone"])
def test_a_deleted_champion_serves_on_and_nothing_is_trained(previous: bool) -> None:
    world = rolled_out_second() if previous else promoted_first()
    champion, route = world.champion(), dict(world.route)
    assert champion is not None
    start, services = len(world.log), dict(world.services)
    remove(world, champion)
    world.settle()
    assert world.champion() == champion
    assert world.route == route
    assert world.services == services
    assert not since(world, start) & {a.CreateVersion, a.StartJob, a.SetTraffic, a.EnsureService}


def test_a_deleted_champion_goes_once_another_version_has_taken_over() -> None:
    world = World(spec=spec(serving={"keepPrevious": False}))
    world.settle()
    champion = world.champion()
    assert champion is not None
    remove(world, champion)
    world.settle()
    world.seed(2)
    world.settle()
    assert world.champion() not in (None, champion)
    assert champion not in world.versions


def test_a_deleted_previous_version_stays_warm_for_a_rollback() -> None:
    world = rolled_out_second()
    first = world.stable()
    (previous,) = set(world.services) - {first}
    remove(world, previous)
    world.settle()
    world.edit(rollbackTo=previous)
    start = len(world.log)
    world.settle()
    assert world.champion() == previous
    assert not since(world, start) & {a.CreateVersion, a.StartJob}


def test_a_candidate_that_is_deleted_in_mid_rollout_is_rolled_out() -> None:
    world = in_canary()
    candidate = world.status.candidate
    assert candidate is not None
    start = len(world.log)
    remove(world, candidate)
    world.settle()
    assert world.champion() == candidate
    assert not since(world, start) & {a.CreateVersion, a.StartJob}


def test_a_deleted_candidate_that_fails_is_rolled_back_and_goes() -> None:
    world = in_canary()
    candidate, champion = world.status.candidate, world.champion()
    assert candidate is not None
    world.error_share[2] = 0.5
    remove(world, candidate)
    for _ in range(100):
        world.reconcile()
        world.tick()
        if candidate not in world.versions:
            break
    assert candidate not in world.versions
    assert world.champion() == champion


def test_only_what_serves_is_held_and_each_hold_is_written_once() -> None:
    world = World(spec=spec(serving={"keepPrevious": False}))
    world.seed(1)
    for _ in range(3):
        world.reconcile()
    assert not held(world), "a version in its checks does not serve"
    world.settle()
    for seed in (2, 3):
        world.seed(seed)
        world.settle()
    assert held(world) == {world.champion()} == set(world.services)
    holds = [action for action in world.log if isinstance(action, a.HoldVersion)]
    assert len(holds) == len(set(holds)) == 5, "each is held, and the former ones are freed"


def test_a_deleted_version_that_nothing_holds_is_not_held_again() -> None:
    """The API server refuses a new finalizer then."""
    world = promoted_first()
    champion = world.champion()
    assert champion is not None
    world.versions[champion] = dataclasses.replace(
        world.versions[champion], held=False, deleting=True
    )
    start = len(world.log)
    world.settle()
    assert a.HoldVersion not in since(world, start)


def test_a_deleted_model_frees_its_versions() -> None:
    world = World(spec=spec(deletionPolicy="Delete"))
    world.settle()
    assert held(world)
    world.deleting = True
    world.reconcile()
    assert not world.versions


def test_a_crash_after_any_write_leaves_the_holds_right() -> None:
    world = World(mortal=True)
    world.settle()
    world.mortal = False
    world.settle()
    assert held(world) == {world.champion()}
    stage = world.versions[world.champion() or ""].status.stage
    assert stage is VersionStage.PROMOTED
