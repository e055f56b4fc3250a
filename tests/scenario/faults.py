"""Faults on a real platform: killed processes, evicted pods."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from tests.cluster import locks
from tests.cluster.api import Cluster
from tests.scenario import install
from tests.scenario.world import World

#: More than the size limit of a serving pod's scratch volume.
TOO_MUCH_MIB = 700
#: Longest search for another leader; the Lease is free before.
TAKEOVER_SECONDS = 60
#: Labels of a worker's pod: of JobSet, and of its indexed Job.
JOB_SET = "jobset.sigs.k8s.io/jobset-name"
RANK = "batch.kubernetes.io/job-completion-index"


def alone_with_operator() -> contextlib.AbstractContextManager[None]:
    """Prevent other tests from killing the operator, or relying on it while it is killed.

    For tests that kill it, and for those that check a time. Other stories only take longer if the
    operator restarts.
    """
    return locks.cache_held("operator", "another test that kills the operator or relies on it")


def kill_operator(cluster: Cluster) -> None:
    """Kill the operator's process with SIGKILL, like a crash of its node."""
    cluster.kubectl(
        "-n", install.SYSTEM_NAMESPACE, "delete", "pod", "--force", "--grace-period=0",
        "-l", "app.kubernetes.io/name=recommender-operator",
    )  # fmt: skip


def kill_leader(cluster: Cluster) -> float:
    """Kill the operator's pod that leads; return the seconds until another one does."""
    until_operator_is_ready(cluster)
    leader, killed = _leader(cluster), time.monotonic()
    cluster.kubectl(
        "-n", install.SYSTEM_NAMESPACE, "delete", "pod", leader, "--force", "--grace-period=0"
    )
    while _leader(cluster) == leader:
        if time.monotonic() - killed > TAKEOVER_SECONDS:
            raise AssertionError(f"{leader} was killed, and no other pod holds the Lease")
        time.sleep(0.2)
    return time.monotonic() - killed


def _leader(cluster: Cluster) -> str:
    """Return the pod that holds the Lease of the operator."""
    holder = cluster.kubectl(
        "-n", install.SYSTEM_NAMESPACE, "get", "lease", _deployment(cluster),
        "-o", "jsonpath={.spec.holderIdentity}",
    )  # fmt: skip
    return holder.rpartition("_")[0]


def upgrade_operator(cluster: Cluster) -> None:
    """Replace the operator's pods one by one, like an upgrade, and wait until all are ready."""
    operator = f"deployment/{_deployment(cluster)}"
    cluster.kubectl("-n", install.SYSTEM_NAMESPACE, "rollout", "restart", operator)
    until_operator_is_ready(cluster)


def until_operator_is_ready(cluster: Cluster) -> None:
    """Wait until all pods of the operator are ready."""
    operator = f"deployment/{_deployment(cluster)}"
    cluster.kubectl(
        "-n", install.SYSTEM_NAMESPACE, "rollout", "status", operator, "--timeout=120s"
    )


def _deployment(cluster: Cluster) -> str:
    return cluster.kubectl(
        "-n", install.SYSTEM_NAMESPACE, "get", "deployments", "-l",
        "app.kubernetes.io/name=recommender-operator", "-o", "jsonpath={.items[0].metadata.name}",
    )  # fmt: skip


def fill_scratch(world: World, version: str) -> str:
    """Exceed the size limit of a serving pod's scratch volume; return the pod's name.

    The kubelet then evicts the pod, as it does under pressure on the node.
    """
    pod = world.kube.serving_pod(version)
    assert pod is not None
    name = str(pod.metadata.name)
    world.cluster.kubectl(
        "-n", world.kube.namespace, "exec", name, "-c", answering_container(pod), "--",
        "dd", "if=/dev/zero", "of=/tmp/too-much", "bs=1M", f"count={TOO_MUCH_MIB}",
    )  # fmt: skip
    return name


def answering_container(pod: Any) -> str:
    """Return the container that answers requests: in Knative mode it is beside Triton."""
    names = [container.name for container in pod.spec.containers]
    return "transformer-container" if "transformer-container" in names else "kserve-container"


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
    """Delete a worker's pod without a grace period, like the loss of its node."""
    world.cluster.kubectl(
        "-n", world.kube.namespace, "delete", "pod", "--force", "--grace-period=0",
        "-l", f"recommender.dev/version={version},{JOB_SET},{RANK}={rank}",
    )  # fmt: skip


def log_of_worker(world: World, version: str, rank: int) -> str:
    """Return the log of the newest worker of a rank."""
    pods = [p for p in _workers(world, version) if p.metadata.labels[RANK] == str(rank)]
    newest = max(pods, key=lambda pod: pod.metadata.creation_timestamp)
    return world.cluster.kubectl("-n", world.kube.namespace, "logs", newest.metadata.name)
