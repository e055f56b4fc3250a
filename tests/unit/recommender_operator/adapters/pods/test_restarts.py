"""Restarts of pods, and whether their cause is external."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_operator.adapters.pods import restarts
from tests.fakes.objects import pod


def crashed(count: int, reason: str = "OOMKilled", **state: Any) -> dict[str, Any]:
    ended = {"reason": reason, "exitCode": 137, "finishedAt": f"2026-01-01T12:00:0{count}Z"}
    container = {"name": "main", "restartCount": count, "lastState": {"terminated": ended}}
    return {"containerStatuses": [{**container, "state": state}]}


def test_restarts_are_summed_over_pods_and_the_newest_names_the_cause() -> None:
    pods = [
        pod("a", "v", **crashed(3)),
        pod("b", "v", **crashed(4, "Error", waiting={"reason": "CrashLoopBackOff"})),
        pod("c", "v"),
    ]
    reported = "container main: Error (exit code 137), CrashLoopBackOff"
    assert restarts.restarts(pods) == (7, reported)


DISRUPTIONS = [
    pod("p", "v", ready=False, reason="Evicted", phase="Failed", **crashed(2)),
    pod(
        "p",
        "v",
        ready=False,
        conditions=[{"type": "DisruptionTarget", "status": "True"}],
        **crashed(2),
    ),
    {**(leaving := pod("p", "v")), "metadata": {**leaving["metadata"], "deletionTimestamp": "x"}},
    pod("p", "v", ready=False, phase="Pending"),
]


@pytest.mark.parametrize("disrupted", DISRUPTIONS)
def test_an_evicted_drained_or_unscheduled_pod_is_not_the_versions_fault(
    disrupted: dict[str, Any],
) -> None:
    assert restarts.disrupted([disrupted])
    assert restarts.restarts([disrupted]) == (0, "")


def test_no_pod_at_all_comes_from_outside_and_a_crash_or_a_failing_probe_does_not() -> None:
    assert restarts.disrupted([])
    assert not restarts.disrupted([pod("p", "v", ready=False)])
    assert not restarts.disrupted([pod("p", "v", ready=False, phase="Pending", **crashed(1))])
