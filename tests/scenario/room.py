"""Room on the node: what earlier runs left is removed, and a pod that finds none is named."""

from __future__ import annotations

import datetime
import json
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from tests.cluster.api import Cluster
from tests.scenario import install

MODELS = "recommendermodels.recommender.dev"
#: Time for which a pod may lack a node: Knative keeps the pods of another world that long.
PATIENCE = datetime.timedelta(seconds=90)
#: Seconds between two looks at the pods of a wait.
BETWEEN = 5.0
SECONDS = 300.0


class NoNodeError(TimeoutError):
    """A pod fits on no node; the message has what the scheduler says, and the remedy."""


def is_ours(namespace: str) -> bool:
    """Return whether the models of a namespace are those of the demo or the tests."""
    return namespace in (install.SYSTEM_NAMESPACE, install.DEMO_NAMESPACE) or namespace.startswith(
        install.E2E_PREFIX
    )


def leave(cluster: Cluster, says: Callable[[str], None]) -> list[tuple[str, str]]:
    """Delete the models that earlier runs of the demo and the tests left; return which.

    Two cores have room for one run. Their pods end when an operator runs (`until_left`). On a
    cluster that others use too, nothing is removed.
    """
    if os.environ.get("CLUSTER", "local") != "local":
        return []
    if not cluster.kubectl("get", "crd", MODELS, "--ignore-not-found", "-o", "name"):
        return []
    listed = json.loads(cluster.kubectl("get", MODELS, "--all-namespaces", "-o", "json"))["items"]
    names = [(each["metadata"]["namespace"], each["metadata"]["name"]) for each in listed]
    found = [(namespace, name) for namespace, name in names if is_ours(namespace)]
    for namespace, name in found:
        says(f"removing {namespace}/{name}, which an earlier run left")
        cluster.kubectl(
            "-n", namespace, "delete", MODELS, name, "--ignore-not-found", "--wait=false"
        )
    return found


def until_left(cluster: Cluster, left: Iterable[tuple[str, str]]) -> None:
    """Wait until the pods of deleted models have ended.

    Raises:
        TimeoutError: they have not.
    """
    for namespace, name in left:
        deadline = time.monotonic() + SECONDS
        pods = ("-n", namespace, "get", "pods", "-l", f"recommender.dev/model={name}")
        while found := cluster.kubectl(*pods, "-o", "name").split():
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{namespace}/{name} was deleted {SECONDS:.0f} s ago and still has {found}"
                )
            time.sleep(1)


def watched(
    condition: Callable[[], bool], pods: Callable[[], Iterable[Any]]
) -> Callable[[], bool]:
    """Return a condition that looks at the pods meanwhile; it raises NoNodeError."""
    looked = time.monotonic()

    def met() -> bool:
        nonlocal looked
        if condition():
            return True
        if time.monotonic() - looked > BETWEEN:
            check(pods(), datetime.datetime.now(datetime.UTC))
            looked = time.monotonic()
        return False

    return met


def check(pods: Iterable[Any], now: datetime.datetime) -> None:
    """Raise NoNodeError for a pod that has found no node for some time."""
    for pod in pods:
        for condition in pod.status.conditions or []:
            if (
                pod.metadata.deletion_timestamp is None
                and (condition.type, condition.status) == ("PodScheduled", "False")
                and condition.reason == "Unschedulable"
                and now - condition.last_transition_time > PATIENCE
            ):
                raise NoNodeError(
                    f"no node fits pod {pod.metadata.namespace}/{pod.metadata.name}: "
                    f"{condition.message} What holds the CPU: kubectl describe node. "
                    "`make demo-down` removes the demo, `make cluster-down` everything"
                )
