"""What goes wrong on a platform, done to a real one: processes killed, pods evicted."""

from __future__ import annotations

import contextlib
from typing import Any

from tests.cluster import locks
from tests.cluster.api import Cluster
from tests.scenario import install
from tests.scenario.world import World

#: More than the scratch volume of a served pod may hold.
TOO_MUCH_MIB = 700
#: Labels of a worker's pod: of JobSet, and of its indexed Job.
JOB_SET = "jobset.sigs.k8s.io/jobset-name"
RANK = "batch.kubernetes.io/job-completion-index"


def alone_with_operator() -> contextlib.AbstractContextManager[None]:
    """Keep others from killing the operator, and from counting on it while it is killed.

    For tests that kill it, and for those whose promise is a time that a dead operator cannot
    keep. Other stories stand its death: they wait for what comes, and it comes later.
    """
    return locks.cache_held("operator", "another test that kills the operator or counts on it")


def kill_operator(cluster: Cluster) -> None:
    """Kill the operator's process as a crash of its node would: no signal, no goodbye."""
    cluster.kubectl(
        "-n", install.SYSTEM_NAMESPACE, "delete", "pod", "--force", "--grace-period=0",
        "-l", "app.kubernetes.io/name=recommender-operator",
    )  # fmt: skip


def upgrade_operator(cluster: Cluster) -> None:
    """Replace the operator's pods one by one, as an upgrade does, and wait until it is over."""
    operator = f"deployment/{_deployment(cluster)}"
    cluster.kubectl("-n", install.SYSTEM_NAMESPACE, "rollout", "restart", operator)
    cluster.kubectl(
        "-n", install.SYSTEM_NAMESPACE, "rollout", "status", operator, "--timeout=120s"
    )


def _deployment(cluster: Cluster) -> str:
    return cluster.kubectl(
        "-n", install.SYSTEM_NAMESPACE, "get", "deployments", "-l",
        "app.kubernetes.io/name=recommender-operator", "-o", "jsonpath={.items[0].metadata.name}",
    )  # fmt: skip


def fill_scratch(world: World, version: str) -> str:
    """Write more into a served pod's scratch volume than it may hold; return the pod's name.

    The kubelet then evicts the pod, as it does under pressure on the node.
    """
    pod = world.kube.serving_pod(version)
    assert pod is not None
    name = str(pod.metadata.name)
    world.cluster.kubectl(
        "-n", world.kube.namespace, "exec", name, "-c", "transformer-container", "--",
        "dd", "if=/dev/zero", "of=/tmp/too-much", "bs=1M", f"count={TOO_MUCH_MIB}",
    )  # fmt: skip
    return name


def evicted(world: World, pod: str) -> bool:
    """Return whether the kubelet has evicted a pod."""
    found = [one for one in world.kube.pods(model=world.name) if one.metadata.name == pod]
    return not found or found[0].status.reason == "Evicted"


def _workers(world: World, version: str) -> list[Any]:
    pods = world.kube.pods(version=version)
    return [pod for pod in pods if JOB_SET in pod.metadata.labels]


def workers(world: World, version: str) -> dict[str, str]:
    """Return the workers that train a version: rank to the pod's uid, of those that run."""
    return {
        pod.metadata.labels[RANK]: pod.metadata.uid
        for pod in _workers(world, version)
        if pod.status.phase == "Running"
    }


def kill_worker(world: World, version: str, rank: int) -> None:
    """Take a worker away as the loss of its node would: no signal, no goodbye."""
    world.cluster.kubectl(
        "-n", world.kube.namespace, "delete", "pod", "--force", "--grace-period=0",
        "-l", f"recommender.dev/version={version},{JOB_SET},{RANK}={rank}",
    )  # fmt: skip


def log_of_worker(world: World, version: str, rank: int) -> str:
    """Return what the newest worker of a rank has logged."""
    pods = [p for p in _workers(world, version) if p.metadata.labels[RANK] == str(rank)]
    newest = max(pods, key=lambda pod: pod.metadata.creation_timestamp)
    return world.cluster.kubectl("-n", world.kube.namespace, "logs", newest.metadata.name)
