"""KEDA scales a model that KServe serves to users, and takes its pods away again."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from recommender_operator.adapters.traffic.keda import scaled_objects
from recommender_operator.resources.labels import Component
from tests.scenario import availability, stories
from tests.scenario.availability import ready_pods
from tests.scenario.world import World

pytestmark = pytest.mark.e2e

#: Requests per second: of few, none is in flight when another comes.
CALM, SPIKE = 5.0, 80.0
#: KEDA and Kubernetes look four times a minute, and the bounds of a peak are whole minutes.
SECONDS = 420.0
MINUTE = datetime.timedelta(minutes=1)
SCALERS = "scaledobjects.keda.sh,horizontalpodautoscalers"


def pods(world: World, component: Component) -> int:
    return len(ready_pods(world, world.champion or "", component))


def of_each(world: World, number: int) -> bool:
    return all(pods(world, component) == number for component in Component)


def scaler(world: World, component: Component) -> dict[str, Any]:
    """Return the status of KEDA's autoscaler of a component; empty if there is none."""
    name = scaled_objects.name(world.champion or "", component)
    found = world.cluster.kubectl(
        "-n", world.kube.namespace, "get", "horizontalpodautoscaler", name, "--ignore-not-found",
        "-o", "json",
    )  # fmt: skip
    status: dict[str, Any] = json.loads(found)["status"] if found else {}
    return status


def measures(world: World) -> set[str]:
    """Return the kinds of metrics that KEDA's autoscaler of the transformers has read."""
    found = scaler(world, Component.TRANSFORMER).get("currentMetrics") or []
    return {metric["type"] for metric in found if metric.get("type")}


def only_keda(world: World) -> bool:
    """Return whether each component has KEDA's autoscaler, and no other."""
    listed = world.cluster.kubectl(
        "-n", world.kube.namespace, "get", "horizontalpodautoscalers", "-o", "name"
    )
    wanted = {scaled_objects.name(world.champion or "", component) for component in Component}
    return {name.partition("/")[2] for name in listed.split()} == wanted


def until_requests_scale(world: World) -> None:
    """More requests in flight add a transformer, and it goes when they have ended."""
    assert world.load is not None
    world.load.at(SPIKE)
    world.until("another transformer", lambda: pods(world, Component.TRANSFORMER) == 2, SECONDS)
    assert pods(world, Component.PREDICTOR) == 1, "its pods are not asked for by requests"
    world.load.at(CALM)
    world.until("one transformer", lambda: pods(world, Component.TRANSFORMER) == 1, SECONDS)


def until_a_peak_is_over(world: World) -> datetime.datetime:
    """A peak adds a pod of each component, in its window alone; return its end."""
    now = datetime.datetime.now(datetime.UTC)
    start, end = now - MINUTE, now + 2 * MINUTE
    peak = {
        "start": f"{start.minute} {start.hour} * * *",
        "end": f"{end.minute} {end.hour} * * *",
        "replicas": 2,
    }
    world.apply({"serving": {"autoscaling": {"peaks": [peak]}}})
    world.until("two pods of each", lambda: of_each(world, 2), SECONDS)
    world.until("one pod of each", lambda: of_each(world, 1), SECONDS)
    return end.replace(second=0, microsecond=0)


def test_given_a_served_model_when_requests_rise_and_a_peak_comes_then_keda_scales_and_none_fails(
    world: World,
) -> None:
    stories.first_version(world)
    world.start_load(CALM)
    availability.let_pass(world)
    world.until("KEDA alone", lambda: only_keda(world), SECONDS)
    world.until("requests in flight", lambda: "External" in measures(world), SECONDS)
    assert world.condition("Accepted")["status"] == "True", world.condition("Accepted")

    until_requests_scale(world)
    ended = until_a_peak_is_over(world)
    assert datetime.datetime.now(datetime.UTC) >= ended, "the pods of a peak stay until its end"
    assert only_keda(world)
    availability.let_pass(world)
    assert world.load is not None
    assert world.load.stop()["failed"] == 0, world.load.total

    world.load = None
    world.remove()
    listing = ("-n", world.kube.namespace, "get", SCALERS, "-o", "name")
    world.until("nothing that scales", lambda: not world.cluster.kubectl(*listing), 120)
