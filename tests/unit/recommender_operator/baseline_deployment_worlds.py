"""Worlds in which a rollout has a fresh champion."""

from __future__ import annotations

from recommender_operator.api.version import FreshChampion
from recommender_operator.resources import baseline_deployment_names
from tests.unit.recommender_operator.simulation.cluster import changed, spec
from tests.unit.recommender_operator.started_worlds import in_canary
from tests.unit.recommender_operator.world import World

FRESH = {"freshChampion": True}


def beside(**sections: object) -> World:
    """A world whose second version has its first share, beside a fresh champion."""
    world = in_canary(**changed({"rollout": FRESH}, sections))
    assert world.routing.fresh == deployment(world)
    return world


def waiting(**sections: object) -> World:
    """A world whose second version waits for a fresh champion that has no ready pod."""
    world = World(spec=spec(**changed({"rollout": FRESH}, sections)))
    world.settle()
    world.seed(2)
    for _ in range(30):
        world.reconcile()
        world.finish_jobs()
        if deployment(world) in world.services:
            world.services[deployment(world)].ctx(ready=False)
            world.tick()
            world.reconcile()
            return world
        world.tick()
    raise AssertionError(world.summary())


def deployment(world: World) -> str:
    return baseline_deployment_names.deployment(world.stable())


def candidate(world: World) -> str:
    return world.status.candidate or ""


def record(world: World) -> FreshChampion:
    (second,) = [v for v in world.versions.values() if v.spec.training.seed == 2]
    assert second.status.fresh_champion is not None
    return second.status.fresh_champion
