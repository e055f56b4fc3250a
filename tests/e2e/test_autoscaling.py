"""Pods are added while users ask, by the operator's autoscalers alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.api import ClusterError
from tests.e2e.conftest import SMALL, NewWorld
from tests.scenario import availability, stories
from tests.scenario.availability import RATE, ready_pods
from tests.scenario.load import Load
from tests.scenario.world import World

pytestmark = pytest.mark.e2e

COMPONENTS = ("transformer", "predictor")
#: Seconds until an autoscaler has looked, and its pods are ready.
SCALED_SECONDS = 240.0
SPIKE = 5


def scaled(least: int, **more: Any) -> dict[str, Any]:
    autoscaling = {"maxReplicas": 3, "scaleDownStabilizationSeconds": 3600, **more}
    return {"serving": {**SMALL["serving"], "replicas": least, "autoscaling": autoscaling}}


def pods(world: World, component: str) -> int:
    return len(ready_pods(world, world.champion or "", component))


def serves_metrics(world: World) -> bool:
    """Return whether the cluster has metrics-server."""
    try:
        world.cluster.kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes", timeout=60)
    except ClusterError:
        return False
    return True


def test_given_autoscaling_when_its_minimum_rises_then_pods_are_added_and_no_request_is_lost(
    new_world: NewWorld,
) -> None:
    world = new_world(scaled(1))
    stories.first_version(world)
    world.start_load(RATE)
    world.apply(scaled(2))
    world.until(
        "two of each", lambda: all(pods(world, c) >= 2 for c in COMPONENTS), SCALED_SECONDS
    )
    availability.let_pass(world)
    # KServe does not take them away again.
    assert {component: pods(world, component) for component in COMPONENTS} == dict.fromkeys(
        COMPONENTS, 2
    )
    assert world.failed_requests == 0


def test_given_autoscaling_when_five_times_as_many_ask_then_pods_are_added_and_none_is_lost(
    new_world: NewWorld,
) -> None:
    world = new_world(scaled(1, targetCPUUtilizationPercentage=50))
    if not serves_metrics(world):
        pytest.skip("the cluster has no metrics-server")
    stories.first_version(world)
    world.start_load(RATE)
    availability.let_pass(world)
    spike = Load(world.gateway, world.host, world.traffic, RATE * (SPIKE - 1))
    try:
        world.until("another transformer", lambda: pods(world, "transformer") > 1, SCALED_SECONDS)
    finally:
        figures = spike.stop()
    assert figures["failed"] == 0, figures
    assert world.failed_requests == 0
