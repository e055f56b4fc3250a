"""Worlds for the tests of drift and breaks.

The statistics have their own tests. In most of these tests an oracle supplies the statistics; in
the others they are computed from the counters.
"""

from __future__ import annotations

import contextlib
from unittest import mock

from recommender_operator.analysis.counter_window import WindowStats
from recommender_operator.analysis.step_verdict import Verdict
from tests.unit.recommender_operator.simulation.cluster import changed, spec
from tests.unit.recommender_operator.test_decide_properties import Oracle
from tests.unit.recommender_operator.world import World

DRIFT = {"windowSessions": 20, "consecutiveWindows": 3, "cooldownSeconds": 3600}


def serving(*seeds: int, **sections: object) -> tuple[World, Oracle]:
    """A world that has promoted the seeds in turn, and an oracle without a verdict."""
    oracle = Oracle(window=Verdict.INCONCLUSIVE, broken=Verdict.INCONCLUSIVE)
    world = World(spec=spec(**changed({"retrain": {"drift": DRIFT}}, sections)))
    with oracle.speaks():
        for seed in seeds or (17,):
            if world.spec.training.seed != seed:
                world.seed(seed)
            world.settle()
    return world, oracle


def look(world: World, oracle: Oracle, times: int) -> None:
    with oracle.speaks():
        for _ in range(times):
            world.tick()
            world.reconcile()
            world.finish_jobs()


def settle(world: World, oracle: Oracle) -> None:
    with oracle.speaks():
        world.settle()


def canary(world: World, oracle: Oracle, seed: int = 2) -> str:
    world.seed(seed)
    for _ in range(50):
        look(world, oracle, 1)
        candidate = world.status.candidate or ""
        if candidate and world.versions[candidate].status.steps:
            return candidate
    raise AssertionError(world.summary())


def live(window: int) -> World:
    world = World(
        spec=spec(retrain={"drift": {"windowSessions": window, "consecutiveWindows": 3}})
    )
    world.settle_served()
    return world


def losing(count: int = 1) -> contextlib.AbstractContextManager[object]:
    """Make every window lose the counters of this number of pods."""
    return mock.patch.object(WindowStats, "lost", property(lambda _: count))
