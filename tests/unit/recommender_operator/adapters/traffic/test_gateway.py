"""Traffic by the Gateway API: the reported split, and the desired one."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from recommender_operator.adapters.kubernetes.port import (
    AUTOSCALERS,
    BUDGETS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    NETWORK_POLICIES,
    ConflictError,
    Object,
    Resource,
)
from recommender_operator.adapters.objects.owned_writes import ForeignObjectError
from recommender_operator.adapters.traffic.gateway import GatewayTraffic, route_state
from recommender_operator.adapters.traffic.port import Subject
from recommender_operator.resources import http_route, isolation
from recommender_operator.resources.labels import Component
from recommender_operator.resources.serving_containers import NotPublishedError
from tests.fakes.documents import copied
from tests.fakes.kube import FakeKube
from tests.fakes.objects import pod
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version

NAME = "movies-0123abcd"


def subject(*pods: dict[str, Any], **sections: object) -> Subject:
    return Subject(model=model(**sections), versions={NAME: version()}, pods={NAME: pods})


async def served(kube: FakeKube, *, ready: str = "True") -> GatewayTraffic:
    traffic = GatewayTraffic(kube, OPTIONS)
    await traffic.ensure(subject(), NAME)
    service = kube.find(INFERENCE_SERVICES, NAME)
    condition = {"type": "Ready", "status": ready, "reason": "Because", "message": "of this"}
    service["status"] = {"conditions": [condition]}
    return traffic


def part(component: Component, *, ready: bool = True, name: str = "", **status: Any) -> Object:
    return pod(name or component, NAME, ready=ready, component=component, **status)


TRANSFORMER, PREDICTOR = Component.TRANSFORMER, Component.PREDICTOR
PAIR = (part(TRANSFORMER), part(PREDICTOR))


async def test_a_service_is_ready_if_kserve_reports_it_and_a_pod_of_each_component_is_ready() -> (
    None
):
    traffic = await served(FakeKube())
    view = await traffic.observe(subject(*PAIR, part(TRANSFORMER, name="another")))
    state = view.services[NAME]
    assert (state.ready, state.ready_pods, state.outdated) == (True, 1, False)
    assert state.answers
    assert state.uid


@pytest.mark.parametrize("lost", list(Component))
async def test_without_a_ready_pod_of_a_component_no_service_is_ready(lost: Component) -> None:
    traffic = await served(FakeKube())
    other = next(component for component in Component if component != lost)
    for pods in ([part(other)], [part(other), part(lost, ready=False)]):
        state = (await traffic.observe(subject(*pods))).services[NAME]
        assert (state.ready, state.ready_pods) == (False, 0)
        assert state.answers == (lost is PREDICTOR)


async def test_the_reason_is_that_of_the_component_that_lacks_a_pod() -> None:
    traffic = await served(FakeKube())
    ended = {"exitCode": 1, "reason": "Error", "message": "no such model"}
    statuses = [{"name": "kserve-container", "state": {"terminated": ended}}]
    broken = part(PREDICTOR, ready=False, containerStatuses=statuses)
    state = (await traffic.observe(subject(part(TRANSFORMER), broken))).services[NAME]
    assert state.reason == "Error"
    assert "no such model" in state.message


@pytest.mark.parametrize("lost", list(Component))
async def test_the_missing_pods_of_a_component_are_disrupted_whatever_the_other_does(
    lost: Component,
) -> None:
    traffic = await served(FakeKube())
    other = next(component for component in Component if component != lost)
    state = (await traffic.observe(subject(part(other)))).services[NAME]
    assert state.disrupted
    crashed = part(lost, ready=False, containerStatuses=[{"name": "x", "restartCount": 2}])
    state = (await traffic.observe(subject(part(other), crashed))).services[NAME]
    assert not state.disrupted
    assert state.restarts == 2


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
    name = isolation.name(NAME)
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


async def test_kserve_alone_makes_no_service_ready() -> None:
    traffic = await served(FakeKube())
    for pods in ([], [pod("p", NAME, ready=False)]):
        state = (await traffic.observe(subject(*pods))).services[NAME]
        assert (state.ready, state.ready_pods) == (False, 0)


async def test_pods_alone_make_no_service_ready_and_kserves_reason_is_shown() -> None:
    traffic = await served(FakeKube(), ready="False")
    state = (await traffic.observe(subject(*PAIR))).services[NAME]
    assert (state.ready, state.reason, state.message) == (False, "Because", "of this")


async def test_the_reason_that_a_pod_does_not_start_comes_first() -> None:
    traffic = await served(FakeKube(), ready="False")
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    statuses = [{"name": "x", "state": {"waiting": waiting}}]
    stuck = part(TRANSFORMER, ready=False, containerStatuses=statuses)
    state = (await traffic.observe(subject(stuck, part(PREDICTOR)))).services[NAME]
    assert state.reason == "ImagePullBackOff"
    assert "no such image" in state.message


async def test_a_service_made_from_other_settings_is_outdated_until_it_is_applied_again() -> None:
    kube = FakeKube()
    traffic = await served(kube)
    changed = subject(*PAIR, serving={"replicas": 3, "transformerReplicas": 4})
    assert (await traffic.observe(changed)).services[NAME].outdated
    await traffic.ensure(changed, NAME)
    assert not (await traffic.observe(changed)).services[NAME].outdated
    spec = kube.find(INFERENCE_SERVICES, NAME)["spec"]
    assert [spec[component]["minReplicas"] for component in Component] == [4, 3]


async def test_a_service_being_deleted_does_not_serve() -> None:
    kube = FakeKube()
    traffic = await served(kube)
    kube.find(INFERENCE_SERVICES, NAME)["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert (await traffic.observe(subject())).services == {}


async def test_an_unpublished_version_is_refused() -> None:
    unpublished = Subject(model=model(), versions={NAME: version(published=False)})
    with pytest.raises(NotPublishedError):
        await GatewayTraffic(FakeKube(), OPTIONS).ensure(unpublished, NAME)


async def test_releasing_and_withdrawing_twice_is_the_same_as_once() -> None:
    kube = FakeKube()
    traffic = await served(kube)
    await traffic.split(subject(), {NAME: 100})
    for _ in range(2):
        await traffic.release(subject(), NAME)
        await traffic.withdraw(subject())
    assert (kube.names(INFERENCE_SERVICES), kube.names(HTTP_ROUTES)) == ([], [])


async def test_a_split_is_one_write() -> None:
    kube = FakeKube()
    traffic = GatewayTraffic(kube, OPTIONS)
    await traffic.split(subject(), {NAME: 90, "movies-1": 10})
    assert kube.writes == [("apply", "httproutes", "movies")]
    view = await traffic.observe(subject())
    assert view.traffic.weights == {NAME: 90, "movies-1": 10}
    assert not view.traffic.accepted


async def test_the_host_of_a_split_is_the_one_that_is_reported_again() -> None:
    kube = FakeKube()
    traffic = GatewayTraffic(kube, OPTIONS)
    await traffic.split(subject(), {NAME: 100}, "films.shop.example")
    view = await traffic.observe(subject())
    assert view.traffic.host == "films.shop.example"
    assert view.traffic.created_at is not None


async def test_a_route_that_an_earlier_release_wrote_is_outdated_until_it_is_written_again() -> (
    None
):
    kube = FakeKube()
    traffic = GatewayTraffic(kube, OPTIONS)
    assert not (await traffic.observe(subject())).traffic.outdated
    await traffic.split(subject(), {NAME: 100})
    assert not (await traffic.observe(subject())).traffic.outdated
    del kube.find(HTTP_ROUTES, "movies")["metadata"]["annotations"]["recommender.dev/layout"]
    assert (await traffic.observe(subject())).traffic.outdated
    await traffic.split(subject(), {NAME: 100})
    assert not (await traffic.observe(subject())).traffic.outdated


def route(
    *, generation: int = 2, accepted: str = "True", resolved: str = "True", seen: int = 2
) -> dict[str, Any]:
    thing = http_route.http_route(model(), {NAME: 100}, OPTIONS)
    thing["metadata"]["generation"] = generation
    conditions = [
        {"type": "Accepted", "status": accepted, "observedGeneration": seen, "reason": "R"},
        {"type": "ResolvedRefs", "status": resolved, "observedGeneration": seen, "reason": "R"},
    ]
    thing["status"] = {"parents": [{"conditions": conditions}]}
    return thing


def test_a_route_counts_once_its_gateway_has_observed_and_accepted_this_generation() -> None:
    assert route_state(route()).accepted
    for problem, word in (
        (route(seen=1), "generation 2"),
        (route(accepted="False"), "Accepted is False"),
        (route(resolved="False"), "ResolvedRefs is False"),
    ):
        state = route_state(problem)
        assert not state.accepted
        assert word in state.message
        assert state.weights == {NAME: 100}


def test_a_route_without_all_conditions_or_parents_is_not_accepted() -> None:
    thing = route()
    thing["status"]["parents"][0]["conditions"].pop()
    assert "not yet reported ResolvedRefs" in route_state(thing).message
    thing["status"]["parents"] = []
    assert "no Gateway controller" in route_state(thing).message


def test_a_missing_route_is_not_a_split() -> None:
    assert route_state(None).weights == {}
    gone = route()
    gone["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert route_state(gone).weights == {}


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
    assert kube.names(NETWORK_POLICIES) == [isolation.name(NAME)]
    assert kube.find(BUDGETS, f"{NAME}-{TRANSFORMER}") == other


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
