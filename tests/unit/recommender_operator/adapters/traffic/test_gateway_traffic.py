"""Traffic by the Gateway API: the reported split, and the desired one."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_operator.adapters.kinds import HTTP_ROUTES, INFERENCE_SERVICES
from recommender_operator.adapters.traffic.accepted_routes import route_state
from recommender_operator.adapters.traffic.gateway_traffic import GatewayTraffic
from recommender_operator.adapters.traffic.traffic_port import Subject
from recommender_operator.resources import http_route
from recommender_operator.resources.serving_containers import NotPublishedError
from tests.fakes.kube import FakeKube
from tests.unit.recommender_operator.adapters.traffic.gateway_world import NAME, served, subject
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version


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
