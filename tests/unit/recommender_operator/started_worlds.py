"""Worlds in which a rollout has begun or ended."""

from __future__ import annotations

from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.world import World


def promoted_first() -> World:
    world = World()
    world.settle()
    return world


def rolled_out_second() -> World:
    world = promoted_first()
    world.seed(2)
    world.settle()
    return world


def in_canary(**sections: object) -> World:
    """A world whose second version has its first share of the requests."""
    world = World(spec=spec(**sections))
    world.settle()
    world.seed(2)
    for _ in range(50):
        world.reconcile()
        world.finish_jobs()
        world.tick()
        candidate = world.status.candidate
        if candidate and world.versions[candidate].status.steps:
            return world
    raise AssertionError(world.summary())
