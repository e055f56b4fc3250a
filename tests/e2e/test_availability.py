"""No single failure is seen by the users of a model with two pods and a standby."""

from __future__ import annotations

import itertools

import pytest

from tests.e2e.conftest import SMALL, NewWorld
from tests.scenario import availability, stories
from tests.scenario.availability import FAULTS
from tests.scenario.world import World

pytestmark = pytest.mark.e2e

SHADOW = {"share": 0.5, "minRequests": 50, "seconds": 120}
STORY = (
    "triton",
    "transformer",
    "pod",
    "drain",
    "operator",
    "kubelet",
    "every_triton",
    "rollback",
)


def fresh_services(world: World) -> list[str]:
    names = itertools.chain.from_iterable(world.objects().values())
    return [name for name in names if name.endswith("-f")]


def test_given_two_pods_and_a_standby_when_parts_fail_then_every_request_is_answered(
    new_world: NewWorld,
) -> None:
    serving = {**SMALL["serving"], "replicas": 2}
    world = new_world({"serving": serving, "rollout": {"shadow": SHADOW, "freshChampion": True}})
    stories.first_version(world)
    world.start_load(availability.RATE)
    promoted = stories.better_version(world).version
    standby = world.status["previous"]
    assert world.events("FreshChampionServes")
    steps = world.version(promoted)["status"]["steps"]
    fresh = [step["weight"] for step in steps if step.get("freshChampion")]
    assert fresh == [10, 50], steps
    world.until("no fresh champion", lambda: not fresh_services(world), 180)
    effects = {}
    for name in STORY:
        effects[name] = availability.measured(world, FAULTS[name])
        print(name, effects[name])
    assert {name: effect.causes for name, effect in effects.items() if effect.failed} == {}
    assert all(effect.requests > 0 for effect in effects.values())
    taken_over = world.events("StandbyServes")
    assert any(standby in event["message"] for event in taken_over), taken_over
    assert world.events("ChampionReturned")
