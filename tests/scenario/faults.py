"""Faults on a real platform: killed processes, evicted pods."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import pathlib
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

from recommender_operator.resources.serving_containers import HTTP_PORT
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
    """Kill the leader's process with SIGKILL; return the seconds until another one leads.

    The container starts again and is another process. The end is the time in the Lease, so that a
    slow command does not count.
    """
    until_operator_is_ready(cluster)
    leader = _lease(cluster)["holderIdentity"]
    command = ("-n", install.SYSTEM_NAMESPACE, "get", "pod", leader.rpartition("_")[0])
    pod = json.loads(cluster.kubectl(*command, "-o", "json"))
    (container,) = pod["status"]["containerStatuses"]
    process = main_process(container["containerID"])
    killed = datetime.datetime.now(datetime.UTC)
    os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + TAKEOVER_SECONDS
    while (lease := _lease(cluster)).get("holderIdentity", "") in ("", leader):
        if time.monotonic() > deadline:
            raise AssertionError(f"{leader} was killed, and no other process holds the Lease")
        time.sleep(0.2)
    return (datetime.datetime.fromisoformat(lease["acquireTime"]) - killed).total_seconds()


def _lease(cluster: Cluster) -> dict[str, Any]:
    """Return the spec of the operator's Lease."""
    command = ("-n", install.SYSTEM_NAMESPACE, "get", "lease", _deployment(cluster))
    spec: dict[str, Any] = json.loads(cluster.kubectl(*command, "-o", "json"))["spec"]
    return spec


def main_process(container_id: str) -> int:
    """Return the process id of a container's first process, on this machine.

    Raises:
        ProcessLookupError: no process of this machine is in the container.
    """
    container = container_id.rpartition("/")[2]
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if container not in (folder / "cgroup").read_text(encoding="utf-8"):
                continue
            lines = (folder / "status").read_text(encoding="utf-8").splitlines()
            inside = next(line for line in lines if line.startswith("NSpid:")).split()[-1]
            if inside == "1":
                return int(folder.name)
    raise ProcessLookupError(f"container {container} has no process here")


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


@contextlib.contextmanager
def refused(pods: Sequence[Any]) -> Iterator[None]:
    """Refuse the requests of the Gateway to pods, as a policy does that leaves it out.

    They refuse connections from this machine, where the local cluster's Gateway is a process: open
    ones break. The operator in its pod still reads the pods' counters. The kubelet's probes are
    refused too, which it bears for READY_FAILURES seconds before the pods are unready.

    The rules are in the pods' own network namespaces: the network policies of this machine put
    theirs before any other at each change of a policy.
    """
    with contextlib.ExitStack() as undo:
        for pod in pods:
            process = main_process(pod.status.container_statuses[0].container_id)
            routes = json.loads(install.run("ip", "-json", "route", "get", pod.status.pod_ip))
            rule = (
                "INPUT", "--source", routes[0]["prefsrc"], "--protocol", "tcp",
                "--destination-port", str(HTTP_PORT), "--jump", "REJECT",
                "--reject-with", "tcp-reset",
            )  # fmt: skip
            # Open, so that it lasts until the rule is gone, even if the pod ends before.
            network = undo.enter_context(pathlib.Path(f"/proc/{process}/ns/net").open("rb"))
            path = f"/proc/{os.getpid()}/fd/{network.fileno()}"
            inside = ("nsenter", f"--net={path}", "iptables", "--wait")
            install.run(*inside, "--insert", *rule)
            undo.callback(install.run, *inside, "--delete", *rule)
        yield


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
