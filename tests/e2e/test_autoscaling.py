"""Pods are added while users ask, by the operator's autoscalers alone."""

from __future__ import annotations

from typing import Any

import kubernetes.client
import pytest

from recommender_operator.resources import autoscaling
from recommender_operator.resources.labels import Component
from tests.e2e.conftest import SMALL, NewWorld
from tests.scenario import availability, stories
from tests.scenario.availability import ready_pods
from tests.scenario.world import World

pytestmark = pytest.mark.e2e

COMPONENTS = ("transformer", "predictor")
#: Requests per second before the spike, and in it.
CALM, SPIKE = 8.0, 40.0
#: Seconds until an autoscaler has looked, and its pods are ready.
SCALED_SECONDS = 240.0


def scaled(least: int) -> dict[str, Any]:
    # Triton takes 2 to 4 ms of a core for a request: less than half of its share before the spike.
    resources = {"requests": {"cpu": "80m"}, "limits": {"memory": "1Gi"}}
    autoscaling = {
        "maxReplicas": 3,
        "targetCPUUtilizationPercentage": 75,
        # Starting Triton takes as much CPU as a spike on a slow machine: those pods go at once.
        "scaleDownStabilizationSeconds": 0,
    }
    serving = {
        "resources": resources,
        "transformerResources": {"requests": {"cpu": "100m"}, "limits": {"memory": "384Mi"}},
        "replicas": least,
        "autoscaling": autoscaling,
    }
    return {"serving": {**SMALL["serving"], **serving}}


def pods(world: World, component: str) -> int:
    return len(ready_pods(world, world.champion or "", component))


def calm(world: World) -> bool:
    """Return whether Triton has one pod, and its autoscaler has measured it and wants no more."""
    scaler = kubernetes.client.AutoscalingV2Api(world.kube.api)
    name = autoscaling.name(world.champion or "", Component.PREDICTOR)
    status = scaler.read_namespaced_horizontal_pod_autoscaler(name, world.kube.namespace).status
    wanted = (status.current_replicas, status.desired_replicas)
    return bool(status.current_metrics) and wanted == (1, 1) and pods(world, "predictor") == 1


def test_given_autoscaling_when_requests_or_the_minimum_rise_then_pods_are_added_and_none_is_lost(
    new_world: NewWorld,
) -> None:
    world = new_world(scaled(1))
    stories.first_version(world)
    world.start_load(CALM)
    assert world.load is not None
    availability.let_pass(world)
    world.until("one pod of Triton", lambda: calm(world), SCALED_SECONDS)

    world.load.at(SPIKE)
    world.until("a second pod of Triton", lambda: pods(world, "predictor") >= 2, SCALED_SECONDS)
    availability.let_pass(world)

    world.apply(scaled(2))
    world.until(
        "two of each", lambda: all(pods(world, c) >= 2 for c in COMPONENTS), SCALED_SECONDS
    )
    availability.let_pass(world)
    # KServe does not take them away again.
    assert all(pods(world, component) >= 2 for component in COMPONENTS)
    assert world.failed_requests == 0, world.load.total
