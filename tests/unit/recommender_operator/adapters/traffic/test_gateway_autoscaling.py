"""Autoscaling in Gateway mode: one writer of the number of pods, no new pods for new limits."""

from __future__ import annotations

import dataclasses

from recommender_operator.adapters.kinds import AUTOSCALERS, INFERENCE_SERVICES
from recommender_operator.adapters.traffic.gateway_traffic import GatewayTraffic
from recommender_operator.resources.labels import Component
from tests.fakes.documents import copied
from tests.fakes.kube import FakeKube
from tests.unit.recommender_operator.adapters.traffic.gateway_world import (
    NAME,
    TRANSFORMER,
    part,
    served,
    subject,
)
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS

SCALED = {"serving": {"replicas": 3, "autoscaling": {"maxReplicas": 6}}}


async def scaled(kube: FakeKube) -> GatewayTraffic:
    traffic = await served(kube)
    seen = subject(**SCALED)
    assert (await traffic.observe(seen)).services[NAME].outdated
    await traffic.ensure(seen, NAME)
    return traffic


async def test_autoscaling_is_switched_on_changed_and_off_without_a_second_writer() -> None:
    kube = FakeKube()
    traffic = await scaled(kube)
    names = {f"{NAME}-{component}-scaler" for component in Component}
    assert set(kube.names(AUTOSCALERS)) == names
    assert not (await traffic.observe(subject(**SCALED))).services[NAME].outdated
    generation = kube.find(INFERENCE_SERVICES, NAME)["metadata"]["generation"]
    more = {"serving": {"replicas": 3, "autoscaling": {"maxReplicas": 9}}}
    for sections, most in ((more, 9), ({"serving": {"replicas": 3}}, 3)):
        seen = subject(**sections)
        assert (await traffic.observe(seen)).services[NAME].outdated
        await traffic.ensure(seen, NAME)
        assert not (await traffic.observe(subject(**sections))).services[NAME].outdated
        for name in names:
            assert kube.find(AUTOSCALERS, name)["spec"]["maxReplicas"] == most
        if most == 9:
            same = kube.find(INFERENCE_SERVICES, NAME)["metadata"]["generation"]
            assert same == generation, "no new pods"


async def test_a_lost_autoscaler_is_applied_again() -> None:
    kube = FakeKube()
    traffic = await scaled(kube)
    name = f"{NAME}-{TRANSFORMER}-scaler"
    uid = kube.find(AUTOSCALERS, name)["metadata"]["uid"]
    await kube.delete(AUTOSCALERS, "team", name, uid=uid)
    seen = subject(**SCALED)
    assert (await traffic.observe(seen)).services[NAME].outdated
    await traffic.ensure(seen, NAME)
    assert name in kube.names(AUTOSCALERS)


async def test_an_outdated_autoscaler_of_before_is_applied_again() -> None:
    kube = FakeKube()
    traffic = await scaled(kube)
    fixed = {"serving": {"replicas": 3}}
    seen = subject(**fixed)
    await traffic.observe(seen)
    await traffic.ensure(seen, NAME)
    stale = kube.find(AUTOSCALERS, f"{NAME}-{TRANSFORMER}-scaler")
    stale["metadata"]["annotations"] = {}
    assert (await traffic.observe(subject(**fixed))).services[NAME].outdated


async def test_a_service_that_gets_more_pods_stays_ready_while_they_start() -> None:
    kube = FakeKube()
    traffic = await scaled(kube)
    # The Deployment is not available with so many pods that start.
    (condition,) = kube.find(INFERENCE_SERVICES, NAME)["status"]["conditions"]
    condition["status"] = "False"
    two = [part(kind, name=f"{kind}-{n}") for kind in Component for n in range(2)]
    starting = [part(TRANSFORMER, name=f"new-{n}", ready=False) for n in range(4)]
    state = (await traffic.observe(subject(*two, *starting, **SCALED))).services[NAME]
    assert state.ready
    few = [*two[:1], *two[2:], *starting]
    assert not (await traffic.observe(subject(*few, **SCALED))).services[NAME].ready


async def test_after_an_upgrade_other_limits_of_autoscaling_start_no_new_pods() -> None:
    kube = FakeKube()
    await scaled(kube)
    before = copied(kube.find(INFERENCE_SERVICES, NAME))
    upgraded = GatewayTraffic(kube, dataclasses.replace(OPTIONS, serving_image="serving:2"))
    seen = subject(serving={"replicas": 3, "autoscaling": {"maxReplicas": 9}})
    assert (await upgraded.observe(seen)).services[NAME].outdated
    await upgraded.ensure(seen, NAME)
    assert kube.find(INFERENCE_SERVICES, NAME) == before
    scaler = kube.find(AUTOSCALERS, f"{NAME}-{TRANSFORMER}-scaler")
    assert scaler["spec"]["maxReplicas"] == 9
