"""What an action writes is based on all pods that the look observed, not on those that answer."""

from __future__ import annotations

import dataclasses

import pytest

from recommender_operator import actions as do
from recommender_operator.adapters.kinds import (
    AUTOSCALERS,
    INFERENCE_SERVICES,
    MODELS,
    SCALED_OBJECTS,
    VERSIONS,
)
from recommender_operator.adapters.traffic.keda import scaled_objects
from recommender_operator.api.version import Artifact, ModelVersionStatus, VersionStage
from recommender_operator.controller.kube import PODS
from recommender_operator.resources import autoscaling, model_version
from recommender_operator.resources.labels import Component
from tests.fakes.kube import NOW
from tests.fakes.objects import STANDARD_CHAIN, add_model, controller, pod, put_chain
from tests.unit.recommender_operator.operator_rig import Rig
from tests.unit.recommender_operator.resources import builder_inputs

NAME = "movies-0123abcd"
WITH_KEDA = dataclasses.replace(builder_inputs.OPTIONS, keda=True)
BY_KEDA = {"replicas": 2, "autoscaling": {"maxReplicas": 6, "engine": "KEDA"}}
SERVING = ModelVersionStatus(
    stage=VersionStage.PROMOTED,
    stage_since=NOW,
    artifact=Artifact(path="artifacts/movies/ab", digest=builder_inputs.DIGEST),
)


def with_version() -> Rig:
    """Return an operator in a cluster with KEDA, with a version that serves."""
    rig = Rig(options=WITH_KEDA)
    rig.kube.kinds.add(SCALED_OBJECTS)
    add_model(rig.kube, spec={"serving": BY_KEDA})
    thing = model_version.model_version(
        builder_inputs.model(), NAME, builder_inputs.version().spec
    )
    thing["metadata"]["ownerReferences"][0]["uid"] = "uid-of-movies"
    rig.kube.put(VERSIONS, {**thing, "status": SERVING.dump()})
    return rig


async def look(rig: Rig) -> bool:
    """Observe, and act if the service is outdated; return whether it was."""
    shot = await rig.observer.observe(rig.kube.find(MODELS, "movies"))
    services = shot.observed.services
    outdated = NAME not in services or services[NAME].outdated
    if outdated:
        found = do.Decision(
            actions=(do.EnsureService(version=NAME),), status=shot.observed.model.status
        )
        await rig.executor.execute(shot, found)
    return outdated


def start(rig: Rig, component: Component, pods: int = 2, *, ready: bool = True) -> None:
    """Start pods of a component, of which two are the minimum."""
    service = rig.kube.find(INFERENCE_SERVICES, NAME)["metadata"]
    last = controller("InferenceService", NAME, service["uid"])
    owners = put_chain(rig.kube, STANDARD_CHAIN, f"{NAME}-{component}", last)
    for number in range(pods):
        name = f"{component}-{number}"
        rig.kube.put(PODS, pod(name, NAME, component=component, owners=owners, ready=ready))


async def settle(rig: Rig) -> None:
    for _ in range(4):
        await look(rig)
    assert not await look(rig), "it settles"


@pytest.mark.parametrize("ready", [True, False], ids=["ready", "not ready"])
async def test_keda_takes_over_both_components_when_each_has_its_pods(ready: bool) -> None:
    rig = with_version()
    await settle(rig)
    names = sorted(autoscaling.name(NAME, component) for component in Component)
    assert rig.kube.names(AUTOSCALERS) == names
    for component in Component:
        start(rig, component, ready=ready)
    await settle(rig)
    assert rig.kube.names(AUTOSCALERS) == []
    scaled = sorted(scaled_objects.name(NAME, component) for component in Component)
    assert rig.kube.names(SCALED_OBJECTS) == scaled


@pytest.mark.parametrize("component", list(Component))
async def test_a_component_with_too_few_pods_keeps_its_autoscaler_alone(
    component: Component,
) -> None:
    rig = with_version()
    await settle(rig)
    (other,) = set(Component) - {component}
    start(rig, component, pods=1)
    start(rig, other)
    await settle(rig)
    assert rig.kube.names(AUTOSCALERS) == [autoscaling.name(NAME, component)]
    assert rig.kube.names(SCALED_OBJECTS) == [scaled_objects.name(NAME, other)]
