"""Worlds with mixed lists before the first step of a candidate, for tests."""

from __future__ import annotations

from typing import Any

from recommender_operator.api.version_interleaving import InterleavingStatus
from tests.unit.recommender_operator.experiment_worlds import until
from tests.unit.recommender_operator.simulation.cluster import changed, spec
from tests.unit.recommender_operator.world import World

HOUR = 3600.0
MIXED: dict[str, Any] = {"percent": 5, "users": 1000, "seconds": 4 * 3600}
ROLLOUT = {"interleaving": MIXED}
SERVING = {"impressions": 1}


def record(world: World, seed: int = 2) -> InterleavingStatus:
    (found,) = [
        v.status.interleaving for n, v in world.versions.items() if world.seed_of(n) == seed
    ]
    assert found is not None
    return found


def before(**sections: Any) -> World:
    """A world whose second version is about to be rolled out."""
    given: dict[str, Any] = {"rollout": ROLLOUT, "serving": SERVING}
    world = World(spec=spec(**changed(given, sections)))
    world.settle()
    world.seed(2)
    return world


def mixing(**sections: Any) -> World:
    """A world in which users get lists mixed with those of the second version."""
    world = before(**sections)
    until(world, lambda: world.routing.interleaving != "" and record(world).runs)
    return world


def candidate(world: World) -> str:
    return world.status.candidate or ""
