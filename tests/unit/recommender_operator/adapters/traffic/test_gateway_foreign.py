"""Objects of others, and writes of others in between, are not overwritten."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_operator.adapters.kinds import (
    BUDGETS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    NETWORK_POLICIES,
)
from recommender_operator.adapters.objects.owned_writes import ForeignObjectError
from recommender_operator.adapters.traffic.gateway_traffic import GatewayTraffic
from recommender_operator.controller.kube import ConflictError, Resource
from recommender_operator.resources import http_route, labels, network_policies
from tests.fakes.documents import copied
from tests.fakes.kube import FakeKube
from tests.unit.recommender_operator.adapters.traffic.gateway_world import (
    NAME,
    PAIR,
    TRANSFORMER,
    served,
    subject,
)
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS


def of_another(kube: FakeKube, resource: Resource, name: str) -> dict[str, Any]:
    """Replace an object of the model with a foreign one."""
    owner = {"apiVersion": "v1", "kind": "Shop", "name": "web", "uid": "u", "controller": True}
    metadata = {"name": name, "namespace": "team", "ownerReferences": [owner]}
    return copied(kube.put(resource, {"metadata": metadata, "spec": {"hostnames": ["shop"]}}))


async def test_a_foreign_route_is_not_a_split_and_is_not_changed() -> None:
    kube = FakeKube()
    traffic = await served(kube)
    other = of_another(kube, HTTP_ROUTES, "movies")
    seen = subject(*PAIR)
    view = await traffic.observe(seen)
    assert (dict(view.traffic.weights), view.traffic.accepted) == ({}, False)
    assert "HTTPRoute team/movies does not belong to this model" in view.traffic.message
    assert [found.name for found in view.foreign] == ["movies"]
    assert view.services[NAME].ready, "the rest is observed as ever"
    for write in (traffic.split(seen, {NAME: 100}), traffic.withdraw(seen)):
        with pytest.raises(ForeignObjectError, match="Shop/web"):
            await write
    assert kube.find(HTTP_ROUTES, "movies") == other


async def test_a_foreign_service_does_not_serve_and_is_not_changed() -> None:
    kube = FakeKube()
    other = of_another(kube, INFERENCE_SERVICES, NAME)
    traffic, seen = GatewayTraffic(kube, OPTIONS), subject()
    assert (await traffic.observe(seen)).services == {}
    with pytest.raises(ForeignObjectError, match=f"InferenceService team/{NAME}"):
        await traffic.ensure(seen, NAME)
    assert kube.find(INFERENCE_SERVICES, NAME) == other


async def test_a_service_with_only_the_models_labels_is_foreign() -> None:
    kube = FakeKube()
    traffic = await served(kube)
    kube.find(INFERENCE_SERVICES, NAME)["metadata"]["ownerReferences"] = []
    seen = subject(*PAIR)
    view = await traffic.observe(seen)
    assert view.services == {}
    assert [(other.kind, other.name) for other in view.foreign] == [("InferenceService", NAME)]
    with pytest.raises(ForeignObjectError, match="no owner"):
        await traffic.release(seen, NAME)
    assert kube.names(INFERENCE_SERVICES) == [NAME]


async def test_a_split_over_a_route_that_another_operator_has_changed_is_a_conflict() -> None:
    kube = FakeKube()
    traffic, frozen = GatewayTraffic(kube, OPTIONS), subject()
    await traffic.split(subject(), {NAME: 90, "movies-1": 10})
    await traffic.observe(frozen)
    await traffic.split(subject(), {NAME: 100})
    with pytest.raises(ConflictError):
        await traffic.split(frozen, {NAME: 50, "movies-1": 50})
    assert http_route.weights_of(kube.find(HTTP_ROUTES, "movies")) == {NAME: 100}


async def test_a_status_of_the_gateway_does_not_delay_a_split() -> None:
    kube = FakeKube()
    traffic, seen = GatewayTraffic(kube, OPTIONS), subject()
    await traffic.split(subject(), {NAME: 90, "movies-1": 10})
    await traffic.observe(seen)
    kube.touch(HTTP_ROUTES, "movies")["status"] = {"parents": []}
    await traffic.split(seen, {NAME: 100})
    assert http_route.weights_of(kube.find(HTTP_ROUTES, "movies")) == {NAME: 100}


async def test_triton_is_isolated_even_if_a_foreign_object_has_the_name_of_a_budget() -> None:
    kube = FakeKube()
    other = of_another(kube, BUDGETS, f"{NAME}-{TRANSFORMER}")
    traffic, seen = GatewayTraffic(kube, OPTIONS), subject()
    await traffic.observe(seen)
    with pytest.raises(ForeignObjectError, match="PodDisruptionBudget"):
        await traffic.ensure(seen, NAME)
    expected = {network_policies.name(NAME, each) for each in labels.Component}
    assert set(kube.names(NETWORK_POLICIES)) == expected
    assert kube.find(BUDGETS, f"{NAME}-{TRANSFORMER}") == other
