"""A service that lacks an object, or was made from other settings, is applied again."""

from __future__ import annotations

import dataclasses

from recommender_operator.adapters.kinds import BUDGETS, INFERENCE_SERVICES, NETWORK_POLICIES
from recommender_operator.adapters.traffic.gateway_traffic import GatewayTraffic
from recommender_operator.resources import network_policies
from recommender_operator.resources.labels import Component
from tests.fakes.kube import FakeKube
from tests.unit.recommender_operator.adapters.traffic.gateway_world import (
    NAME,
    PAIR,
    TRANSFORMER,
    served,
    subject,
)
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS


async def test_a_service_that_lacks_a_budget_is_applied_again() -> None:
    kube = FakeKube()
    traffic = await served(kube)
    assert not (await traffic.observe(subject(*PAIR))).services[NAME].outdated
    name = f"{NAME}-{TRANSFORMER}"
    await kube.delete(BUDGETS, "team", name, uid=kube.find(BUDGETS, name)["metadata"]["uid"])
    assert (await traffic.observe(subject(*PAIR))).services[NAME].outdated
    await traffic.ensure(subject(*PAIR), NAME)
    assert not (await traffic.observe(subject(*PAIR))).services[NAME].outdated


MONITORING = ({"podSelector": {"matchLabels": {"app": "prometheus"}}},)


async def test_a_service_whose_triton_is_open_or_was_isolated_otherwise_is_applied_again() -> None:
    kube = FakeKube()
    traffic = await served(kube)
    name = network_policies.name(NAME)
    await kube.delete(
        NETWORK_POLICIES, "team", name, uid=kube.find(NETWORK_POLICIES, name)["metadata"]["uid"]
    )
    assert (await traffic.observe(subject(*PAIR))).services[NAME].outdated
    await traffic.ensure(subject(*PAIR), NAME)
    assert not (await traffic.observe(subject(*PAIR))).services[NAME].outdated
    changed = GatewayTraffic(kube, dataclasses.replace(OPTIONS, metrics_from=MONITORING))
    seen = subject(*PAIR)
    assert (await changed.observe(seen)).services[NAME].outdated
    services = kube.find(INFERENCE_SERVICES, NAME)["metadata"]["generation"]
    await changed.ensure(seen, NAME)
    assert not (await changed.observe(subject(*PAIR))).services[NAME].outdated
    assert kube.find(NETWORK_POLICIES, name)["spec"]["ingress"][1]["from"] == list(MONITORING)
    assert kube.find(INFERENCE_SERVICES, NAME)["metadata"]["generation"] == services, "no new pods"


async def test_without_policies_a_service_lacks_only_its_budgets() -> None:
    kube = FakeKube()
    await served(kube)
    off = GatewayTraffic(kube, dataclasses.replace(OPTIONS, isolate_triton=False))
    assert not (await off.observe(subject(*PAIR))).services[NAME].outdated
    name = f"{NAME}-{TRANSFORMER}"
    await kube.delete(BUDGETS, "team", name, uid=kube.find(BUDGETS, name)["metadata"]["uid"])
    assert (await off.observe(subject(*PAIR))).services[NAME].outdated
    fresh = FakeKube()
    await GatewayTraffic(fresh, off._options).ensure(subject(), NAME)
    assert fresh.names(NETWORK_POLICIES) == []


async def test_a_version_has_a_disruption_budget_per_component() -> None:
    kube = FakeKube()
    await served(kube)
    service = kube.find(INFERENCE_SERVICES, NAME)
    for component in Component:
        budget = kube.find(BUDGETS, f"{NAME}-{component}")
        template = service["spec"][component]["labels"]
        assert budget["spec"]["selector"]["matchLabels"].items() <= template.items()
        (owner,) = budget["metadata"]["ownerReferences"]
        assert owner["uid"] == service["metadata"]["uid"], "it is deleted with the service"


async def test_a_service_made_from_other_settings_is_outdated_until_it_is_applied_again() -> None:
    kube = FakeKube()
    traffic = await served(kube)
    changed = subject(*PAIR, serving={"replicas": 3, "transformerReplicas": 4})
    assert (await traffic.observe(changed)).services[NAME].outdated
    await traffic.ensure(changed, NAME)
    assert not (await traffic.observe(changed)).services[NAME].outdated
    spec = kube.find(INFERENCE_SERVICES, NAME)["spec"]
    assert [spec[component]["minReplicas"] for component in Component] == [4, 3]
