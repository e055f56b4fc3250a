"""What goes wrong on a platform, done to a real one: processes killed, pods evicted."""

from __future__ import annotations

from tests.cluster.api import Cluster
from tests.scenario import install
from tests.scenario.world import World

#: More than the scratch volume of a served pod may hold.
TOO_MUCH_MIB = 700


def kill_operator(cluster: Cluster) -> None:
    """Kill the operator's process as a crash of its node would: no signal, no goodbye."""
    cluster.kubectl(
        "-n", install.SYSTEM_NAMESPACE, "delete", "pod", "--force", "--grace-period=0",
        "-l", "app.kubernetes.io/name=recommender-operator",
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
