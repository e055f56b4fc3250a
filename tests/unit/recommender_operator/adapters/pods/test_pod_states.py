"""The states of pods."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_operator.adapters.pods import pod_states as pods
from tests.fakes.objects import pod


def container(state: dict[str, Any], last: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": "main", "state": state, "lastState": last or {}}


CASES: list[tuple[dict[str, Any], str]] = [
    ({"reason": "Evicted", "message": "low on memory"}, "Evicted"),
    (
        {
            "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                 "message": "0/1 nodes"}
            ]
        },
        "Unschedulable",
    ),
    (
        {"containerStatuses": [container({"waiting": {"reason": "ImagePullBackOff"}})]},
        "ImagePullBackOff",
    ),
    (
        {"initContainerStatuses": [container({"waiting": {"reason": "ErrImagePull"}})]},
        "ErrImagePull",
    ),
    (
        {
            "containerStatuses": [
                container(
                    {"waiting": {"reason": "CrashLoopBackOff"}},
                    {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
                )
            ]
        },
        "OOMKilled",
    ),
    (
        {"containerStatuses": [container({"terminated": {"exitCode": 3, "reason": "Error"}})]},
        "Error",
    ),
    ({"containerStatuses": [container({"running": {}})]}, ""),
    ({"containerStatuses": [container({"waiting": {"reason": "PodInitializing"}})]}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("status", "reason"), CASES)
def test_the_reason_that_a_pod_does_not_work_is_named(status: dict[str, Any], reason: str) -> None:
    assert pods.obstacle({"metadata": {"name": "p"}, "status": status})[0] == reason


def test_a_pod_on_its_way_out_is_not_ready() -> None:
    leaving = pod("p", "v")
    assert pods.is_ready(leaving)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not pods.is_ready(leaving)


def test_an_oom_killed_container_is_reported_with_its_limit_and_the_remedy() -> None:
    limits = {"limits": {"memory": "200Mi"}}
    pod = {
        "spec": {"containers": [{"name": "other"}, {"name": "main", "resources": limits}]},
        "status": {"containerStatuses": [container({"terminated": {"reason": "OOMKilled"}})]},
    }
    reason, message = pods.obstacle(pod)
    assert reason == "OOMKilled"
    assert "container main used more memory than its limit of 200Mi: raise" in message


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_terminated_pod_has_no_address(phase: str) -> None:
    evicted = pod("movies-1-a", "movies-1", ready=False, phase=phase, reason="Evicted")
    assert pods.pod_ref(evicted).ip == ""
    assert pods.pod_ref(pod("movies-1-b", "movies-1", ready=False)).ip == "10.0.0.1"


def test_a_pod_stays_ready_or_not_until_it_ends_or_is_deleted() -> None:
    for phase in ("Pending", "Running"):
        assert pods.stays(pod("p", "v", ready=False, phase=phase))
    for phase in ("Failed", "Succeeded"):
        assert not pods.stays(pod("p", "v", phase=phase))
    leaving = pod("p", "v", phase="Running")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not pods.stays(leaving)


def waiting(name: str, **metadata: Any) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                 "message": "0/1 nodes"}  # fmt: skip
    return {"metadata": {"name": name, **metadata}, "status": {"conditions": [condition]}}


def test_a_pod_that_fits_on_no_node_is_named() -> None:
    assert pods.unscheduled([pod("ready", "v"), waiting("p")]) == "pod p: 0/1 nodes"


@pytest.mark.parametrize("reason", ["SchedulingGated", "PodInitializing"])
def test_a_pod_that_waits_for_something_else_is_not(reason: str) -> None:
    one = waiting("p")
    one["status"]["conditions"][0]["reason"] = reason
    assert pods.unscheduled([one]) == ""


def test_a_pod_that_is_being_deleted_is_not() -> None:
    assert pods.unscheduled([waiting("p", deletionTimestamp="2026-01-01T00:00:00Z")]) == ""
