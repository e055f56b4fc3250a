"""A fresh deployment of a version in Gateway mode: its objects, its pods and its readiness."""

from __future__ import annotations

import pytest

from recommender_operator.adapters.kinds import BUDGETS, INFERENCE_SERVICES
from recommender_operator.adapters.objects import owned
from recommender_operator.adapters.traffic.gateway_traffic import GatewayTraffic
from recommender_operator.adapters.traffic.traffic_port import Subject
from recommender_operator.controller.kube import NAMESPACE_TERMINATING, ConflictError, KubeError
from recommender_operator.observed import Routing
from recommender_operator.resources import baseline_deployment_names
from recommender_operator.resources.labels import Component
from tests.fakes.kube import FakeKube
from tests.fakes.objects import pod
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version

NAME, OTHER = "movies-0123abcd", "movies-4567cdef"
FRESH = baseline_deployment_names.deployment(NAME)


def subject(*, ready: bool = True) -> Subject:
    """The champion without pods, and its fresh deployment with a pod of each component."""
    pods = [pod(part, FRESH, ready=ready, component=part) for part in Component]
    return Subject(model=model(), versions={NAME: version()}, pods={FRESH: pods})


async def deployed() -> tuple[FakeKube, GatewayTraffic]:
    kube = FakeKube()
    traffic = GatewayTraffic(kube, OPTIONS)
    for name in (NAME, FRESH):
        await traffic.ensure(subject(), name)
        condition = {"type": "Ready", "status": "True"}
        kube.find(INFERENCE_SERVICES, name)["status"] = {"conditions": [condition]}
    return kube, traffic


async def test_it_has_objects_of_its_own_that_the_champions_version_owns() -> None:
    kube, _ = await deployed()
    assert kube.names(INFERENCE_SERVICES) == [NAME, FRESH]
    owners = [
        kube.find(INFERENCE_SERVICES, n)["metadata"]["ownerReferences"] for n in (NAME, FRESH)
    ]
    assert owners[0] == owners[1]
    assert len(kube.names(BUDGETS)) == 4


async def test_its_readiness_is_that_of_its_own_pods() -> None:
    _, traffic = await deployed()
    services = (await traffic.observe(subject())).services
    assert (services[FRESH].ready, services[NAME].ready) == (True, False)
    assert not services[FRESH].outdated
    services = (await traffic.observe(subject(ready=False))).services
    assert not services[FRESH].ready


async def test_it_goes_without_the_champions_service() -> None:
    kube, traffic = await deployed()
    seen = subject()
    await traffic.observe(seen)
    await traffic.release(seen, FRESH)
    assert kube.names(INFERENCE_SERVICES) == [NAME]


async def test_a_route_with_it_is_observed_as_it_was_decided() -> None:
    _, traffic = await deployed()
    wanted = Routing(fresh=FRESH, fresh_weight=10)
    await traffic.split(subject(), {NAME: 90, OTHER: 10}, routing=wanted)
    observed = (await traffic.observe(subject())).traffic
    assert (observed.weights, observed.routing) == ({NAME: 90, OTHER: 10}, wanted)


def test_its_pods_are_known_by_the_owner_and_are_not_those_of_the_champion() -> None:
    own, theirs = pod("a", NAME), pod("b", FRESH)
    forged = pod("c", baseline_deployment_names.deployment(OTHER))
    owners = dict.fromkeys(["uid-a", "uid-b", "uid-c"], version().uid)
    found = owned.serving_pods([own, theirs, forged], owners, "uid-model", [version()])
    assert found == {NAME: [own], FRESH: [theirs]}


@pytest.mark.parametrize("status", [400, 403, 404, 422])
async def test_a_refusal_of_its_objects_is_told_and_does_not_end_the_look(status: int) -> None:
    kube = FakeKube()
    traffic = GatewayTraffic(kube, OPTIONS)
    kube.fault = lambda *_: KubeError("exceeded quota", status=status)
    await traffic.ensure(subject(), FRESH)
    with pytest.raises(KubeError):
        await traffic.ensure(subject(), NAME)
    kube.fault = lambda *_: None
    assert (await traffic.observe(subject())).traffic.refused == {FRESH: "exceeded quota"}
    await traffic.ensure(subject(), FRESH)
    assert (await traffic.observe(subject())).traffic.refused == {}


@pytest.mark.parametrize(
    "error",
    [
        KubeError("down", status=500),
        KubeError("gone"),
        KubeError("slowly", status=429),
        KubeError("who?", status=401),
        KubeError("late", status=408),
        KubeError("ends", status=403, causes={NAMESPACE_TERMINATING}),
        ConflictError("changed", status=409),
    ],
    ids=str,
)
async def test_a_failure_that_says_nothing_about_its_objects_ends_the_look(
    error: KubeError,
) -> None:
    kube = FakeKube()
    kube.fault = lambda *_: error
    with pytest.raises(KubeError):
        await GatewayTraffic(kube, OPTIONS).ensure(subject(), FRESH)


async def test_the_refusal_of_an_optional_version_is_remembered_and_ends_no_look() -> None:
    kube = FakeKube()
    traffic = GatewayTraffic(kube, OPTIONS)
    kube.fault = lambda *_: KubeError("exceeded quota", status=403)
    await traffic.ensure(subject(), NAME, optional=True)
    with pytest.raises(KubeError):
        await traffic.ensure(subject(), NAME)
    kube.fault = lambda *_: None
    assert (await traffic.observe(subject())).traffic.refused == {NAME: "exceeded quota"}
