"""Worlds whose experiment compares two former champions beside the candidate."""

from __future__ import annotations

import dataclasses
from typing import Any

from recommender_operator.api.version_experiment import ArmStatus
from recommender_operator.experiments.extra_arm_tests import Arm
from tests.unit.recommender_operator.experiment_worlds import (
    CLICKS,
    PLAN,
    REVENUE,
    Judge,
    experiment,
    until,
)
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.world import World

#: Seeds of the former champions, in the order of their promotion, and of the champion.
FORMER, CHAMPION = (17, 3), 4


def champions(**sections: Any) -> World:
    """A world with two former champions, the later of which is warm."""
    given: dict[str, Any] = {"serving": {"impressions": 1}}
    world = World(spec=spec(**(given | sections)))
    world.settle()
    for seed in (FORMER[1], CHAMPION):
        world.seed(seed)
        world.settle()
    return world


def name_of(world: World, seed: int) -> str:
    (name,) = [name for name in world.versions if world.seed_of(name) == seed]
    return name


def planned(world: World, **plan: Any) -> dict[str, Any]:
    arms = [{"version": name_of(world, seed)} for seed in FORMER]
    return PLAN | {"weight": 20, "arms": arms} | plan


def waiting(world: World | None = None, **plan: Any) -> World:
    """A world whose first step waits for the further version that has no service yet."""
    world = world or champions()
    world.edit(rollout={"experiment": planned(world, **plan)}, training={"seed": 2})
    cold = name_of(world, FORMER[0])
    until(world, lambda: cold in world.services)
    world.services[cold].ctx(ready=False)
    return world


def started(world: World | None = None, **plan: Any) -> World:
    """A world in the first step, at 10 %."""
    world = world or champions()
    world.edit(rollout={"experiment": planned(world, **plan)}, training={"seed": 2})
    until(world, lambda: bool(world.steps))
    return world


def measuring(world: World | None = None, **plan: Any) -> World:
    """A world in the step that measures, at 20 %."""
    world = started(world, **plan)
    until(world, lambda: world.weight == 20 and world.steps[-1].ended_at is None)
    return world


def arm(world: World, seed: int) -> ArmStatus:
    """The record of a further version."""
    (found,) = [a for a in experiment(world).arms if world.seed_of(a.version) == seed]
    return found


def tells(judge: Judge, version: str, **values: Any) -> None:
    """Let the statistics say this of a further version."""
    said = Arm(version=version, users=500, comparisons=(CLICKS,), guardrails=(REVENUE,))
    judge.further[version] = dataclasses.replace(said, **values)
