"""A service is ready if KServe reports it and each component has a ready pod."""

from __future__ import annotations

import pytest

from recommender_operator.adapters.kinds import INFERENCE_SERVICES
from recommender_operator.api.quantities import MEBIBYTE
from recommender_operator.resources.labels import Component
from tests.fakes.kube import FakeKube
from tests.fakes.objects import pod
from tests.unit.recommender_operator.adapters.traffic.gateway_world import (
    NAME,
    PAIR,
    PREDICTOR,
    TRANSFORMER,
    part,
    served,
    subject,
)


async def test_a_service_is_ready_if_kserve_reports_it_and_a_pod_of_each_component_is_ready() -> (
    None
):
    traffic = await served(FakeKube())
    view = await traffic.observe(subject(*PAIR, part(TRANSFORMER, name="another")))
    state = view.services[NAME]
    assert (state.ready, state.ready_pods, state.outdated) == (True, 1, False)
    assert state.answers
    assert state.uid
    assert state.requested_memory == 1536 * MEBIBYTE


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


async def test_a_service_being_deleted_does_not_serve() -> None:
    kube = FakeKube()
    traffic = await served(kube)
    kube.find(INFERENCE_SERVICES, NAME)["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert (await traffic.observe(subject())).services == {}


@pytest.mark.parametrize("lost", list(Component))
async def test_a_pod_that_fits_on_no_node_is_named_although_the_others_are_ready(
    lost: Component,
) -> None:
    traffic = await served(FakeKube())
    waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
             "message": "0/1 nodes are available"}  # fmt: skip
    second = part(lost, name="second", ready=False, conditions=[waits])
    state = (await traffic.observe(subject(*PAIR, second))).services[NAME]
    assert state.ready
    assert state.unscheduled == "pod second: 0/1 nodes are available"
