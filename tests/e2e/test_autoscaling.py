"""Pods are added while users ask, by the operator's autoscalers alone.

The local cluster has no metrics-server, so a story raises the minimum instead of the load.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import SMALL, NewWorld
from tests.scenario import availability, stories
from tests.scenario.availability import RATE, ready_pods
from tests.scenario.world import World

pytestmark = pytest.mark.e2e

COMPONENTS = ("transformer", "predictor")
#: Seconds until an autoscaler has looked, and its pods are ready.
SCALED_SECONDS = 240.0


def scaled(least: int, **more: Any) -> dict[str, Any]:
    autoscaling = {"maxReplicas": 3, "scaleDownStabilizationSeconds": 3600, **more}
    return {"serving": {**SMALL["serving"], "replicas": least, "autoscaling": autoscaling}}


def pods(world: World, component: str) -> int:
    return len(ready_pods(world, world.champion or "", component))


def test_given_autoscaling_when_its_minimum_rises_then_pods_are_added_and_no_request_is_lost(
    new_world: NewWorld,
) -> None:
    world = new_world(scaled(1))
    stories.first_version(world)
    world.start_load(RATE)
    availability.let_pass(world)
    world.apply(scaled(2))
    world.until(
        "two of each", lambda: all(pods(world, c) >= 2 for c in COMPONENTS), SCALED_SECONDS
    )
    availability.let_pass(world)
    # KServe does not take them away again.
    assert {component: pods(world, component) for component in COMPONENTS} == dict.fromkeys(
        COMPONENTS, 2
    )
    assert world.failed_requests == 0, world.load and world.load.total
