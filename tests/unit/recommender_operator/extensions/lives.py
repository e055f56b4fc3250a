"""The life of a model whose resource asks for everything that extensions do.

As a program it lives one in the interpreter that imports it, and prints how it ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recommender_operator.context.extension import Extension
from recommender_operator.extensions.registry import EXTENSIONS
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.world import World

#: A spec in which each extension has something to do.
EVERYTHING: dict[str, Any] = {
    "serving": {"impressions": 1, "holdout": {"percent": 5}},
    "rollout": {
        "shadow": {"share": 0.25, "minRequests": 100, "seconds": 120},
        "interleaving": {"percent": 5, "users": 100, "seconds": 3600},
        "freshChampion": True,
        "experiment": {
            "primary": [{"metric": "ClickThroughRate", "smallestEffect": 0.1}],
            "minDays": 0,
            "maxDays": 0.05,
        },
    },
}


def after_second(extensions: Sequence[Extension], *, broken: bool = False) -> World:
    """Return the world after the rollout of a second version, which users like."""
    world = World(spec=spec(**EVERYTHING), extensions=extensions)
    world.users.per_hour, world.users.prefers = 100_000, 0.9
    world.settle()
    world.seed(2)
    world.error_share[2] = 0.5 * broken
    for _ in range(1000):
        world.reconcile()
        world.finish_jobs()
        world.tick()
        for name in world.unfinished():
            world.users.clicks[name] = 0.4
        if world.stages().get(2) in ("Promoted", "RolledBack"):
            world.settle_served()
            return world
    raise AssertionError(world.summary())


if __name__ == "__main__":
    print(after_second(EXTENSIONS).second_stage)
