"""Faults under constant load: what each does to the requests of the users.

A world has a champion with two pods of each component, and a standby. Each fault ends when the
version is whole again, so the next one meets a world without damage. Faults of processes need the
local cluster, whose containers are processes of this machine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import signal
from collections.abc import Callable
from typing import Any

import kubernetes.client

from tests.cluster import locks
from tests.scenario import collector_faults, faults, kubelet, stopped, stories
from tests.scenario.world import World

#: Requests per second.
RATE = 40.0
SECONDS = 180.0
#: Seconds of load before a fault and after it, so that its effect on later requests counts too.
CALM = 3.0
COMPONENTS = ("transformer", "predictor")
TOO_MANY_REQUESTS = 429
NOT_FOUND = 404


@dataclasses.dataclass(frozen=True)
class Effect:
    """What a fault did: requests sent and failed from its start until the version was whole."""

    requests: int
    failed: int
    #: Requests that the model did not answer.
    fallbacks: int
    causes: dict[str, int]


def measured(world: World, fault: Callable[[World], None]) -> Effect:
    """Cause a fault, wait until the version is whole again, and return the effect."""
    until_whole(world)
    let_pass(world)
    before = _figures(world)
    fault(world)
    until_whole(world)
    let_pass(world)
    after = _figures(world)
    causes = {
        cause: count - before["failures"].get(cause, 0)
        for cause, count in after["failures"].items()
        if count > before["failures"].get(cause, 0)
    }
    return Effect(
        requests=after["sent"] - before["sent"],
        failed=after["failed"] - before["failed"],
        fallbacks=_fallbacks(after) - _fallbacks(before),
        causes=causes,
    )


def _figures(world: World) -> dict[str, Any]:
    assert world.load is not None
    return world.load.total


def _fallbacks(figures: dict[str, Any]) -> int:
    return sum(count for source, count in figures["sources"].items() if source != "model")


def let_pass(world: World) -> None:
    """Wait until the load has sent and reported the requests of some seconds."""
    wanted = _figures(world)["sent"] + CALM * RATE
    world.until("further requests", lambda: bool(_figures(world)["sent"] >= wanted), SECONDS)


def whole(world: World) -> bool:
    """Return whether the champion has all its pods, ready, and receives all requests."""
    status = world.status
    champion = status.get("champion")
    if not champion or status.get("candidate") or status.get("routePendingSince"):
        return False
    available = world.condition("Available")
    replicas = world.spec.get("serving", {}).get("replicas", 2)
    return available.get("reason") == "Serving" and all(
        len(ready_pods(world, champion, component)) == replicas
        and len(world.kube.serving_pods(champion, component=component)) == replicas
        for component in COMPONENTS
    )


def until_whole(world: World) -> None:
    world.until("all pods of the champion", lambda: whole(world), SECONDS)


def ready_pods(world: World, version: str, component: str) -> list[Any]:
    """Return the pods of a component that are ready and stay."""
    return [
        pod
        for pod in world.kube.serving_pods(version, component=component)
        if pod.metadata.deletion_timestamp is None
        and any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or [])
    ]


def _champions_pod(world: World, component: str) -> Any:
    return ready_pods(world, world.champion or "", component)[0]


def _main_process(pod: Any, component: str) -> int:
    """Return the process id of the first process of a component's container, on this machine.

    Raises:
        ProcessLookupError: no process of this machine is in the container.
    """
    answers = component == "transformer"
    name = faults.answering_container(pod) if answers else "kserve-container"
    (state,) = (one for one in pod.status.container_statuses if one.name == name)
    return faults.main_process(state.container_id)


def _kill_process(world: World, component: str) -> None:
    pod = _champions_pod(world, component)
    os.kill(_main_process(pod, component), signal.SIGKILL)
    uid = pod.metadata.uid

    def restarted() -> bool:
        now = [p for p in world.kube.pods(version=world.champion or "") if p.metadata.uid == uid]
        return any(s.restart_count for p in now for s in p.status.container_statuses or [])

    world.until(f"a restart of the {component}", restarted, SECONDS)


def kill_triton(world: World) -> None:
    """Kill one Triton, as the kernel does when it runs out of memory."""
    _kill_process(world, "predictor")


def kill_transformer(world: World) -> None:
    _kill_process(world, "transformer")


def kill_every_triton(world: World) -> None:
    """Kill all Tritons of the champion at once, as a request that crashes them would."""
    for pod in ready_pods(world, world.champion or "", "predictor"):
        os.kill(_main_process(pod, "predictor"), signal.SIGKILL)

    def noticed() -> bool:
        return not ready_pods(world, world.champion or "", "predictor")

    world.until("no ready Triton", noticed, SECONDS)


def lose_pods(world: World) -> None:
    """Delete a pod of each component without notice, like the loss of their node.

    In Knative mode that is one pod.
    """
    names = {_champions_pod(world, component).metadata.name for component in COMPONENTS}
    world.cluster.kubectl(
        "-n", world.kube.namespace, "delete", "pod", *names, "--force", "--grace-period=0"
    )


def drain(world: World) -> None:
    """Evict every pod of the champion, as the drain of its nodes does, as the budgets permit."""
    champion = world.champion or ""
    names = dict.fromkeys(
        pod.metadata.name
        for component in COMPONENTS
        for pod in ready_pods(world, champion, component)
    )
    for name in names:
        world.until(f"the eviction of {name}", functools.partial(_evict, world, name), SECONDS)


def _evict(world: World, pod: str) -> bool:
    """Return whether the API server has accepted an eviction; a budget may delay it."""
    metadata = kubernetes.client.V1ObjectMeta(name=pod, namespace=world.kube.namespace)
    body = kubernetes.client.V1Eviction(metadata=metadata)
    try:
        world.kube.core.create_namespaced_pod_eviction(pod, world.kube.namespace, body)
    except kubernetes.client.ApiException as error:
        if error.status == TOO_MANY_REQUESTS:
            return False
        if error.status != NOT_FOUND:
            raise
    return True


def kill_operator(world: World) -> None:
    with faults.alone_with_operator():
        faults.kill_operator(world.cluster)
        faults.until_operator_is_ready(world.cluster)


def kill_kubelet(world: World) -> None:
    """Kill the kubelet, and start it again after some seconds; its containers go on.

    Other worlds use it too: their commands in pods wait, and nothing else fails meanwhile.
    """
    before = _containers(world)
    with faults.alone_with_operator(), locks.kubelet_held():
        with kubelet.killed():
            let_pass(world)
            let_pass(world)
        world.until("probes of the new kubelet", lambda: _probed_again(world), SECONDS)
    # Pods that are only gone are of a former revision: Knative removes them after a while.
    changed = {
        pod for pod, containers in _containers(world).items() if containers != before.get(pod)
    }
    assert not changed, f"the kubelet restarted or replaced containers of {changed}"


def _containers(world: World) -> dict[str, set[str]]:
    """Return the containers of the pods that serve, by pod."""
    return {
        pod.metadata.name: {state.container_id for state in pod.status.container_statuses}
        for pod in _serving(world)
    }


def _probed_again(world: World) -> bool:
    found = kubelet.found_ready(world.cluster, world.kube.namespace)
    return {pod.metadata.name for pod in _serving(world)} <= found


def _serving(world: World) -> list[Any]:
    """Return the pods of the champion and of the version that is kept as a standby."""
    versions = filter(None, (world.champion, world.status.get("previous")))
    return [
        pod
        for version in versions
        for component in COMPONENTS
        for pod in world.kube.serving_pods(version, component=component)
    ]


def exhaust_memory(world: World) -> None:
    """Let a process in a transformer's container use all its memory, up to the limit."""
    pod = _champions_pod(world, "transformer")
    with contextlib.suppress(Exception):
        world.cluster.kubectl(
            "-n", world.kube.namespace, "exec", pod.metadata.name,
            "-c", faults.answering_container(pod), "--",
            "python3", "-c", "x = []\nwhile True: x.append(bytearray(1 << 22))",
        )  # fmt: skip


def stop_triton(world: World) -> None:
    pod = _champions_pod(world, "predictor")
    stopped.stop(world, [pod], "kserve-container")


def stop_transformer(world: World) -> None:
    pod = _champions_pod(world, "transformer")
    stopped.stop(world, [pod], faults.answering_container(pod))


def promote(world: World) -> None:
    stories.better_version(world, seed=71)


def roll_back(world: World) -> None:
    stories.roll_back_to_previous(world)


#: By name in the figures. No request fails; while Tritons are lost, fallbacks may answer.
#: `store` and `collector` need a model that uses them.
FAULTS: dict[str, Callable[[World], None]] = {
    "triton": kill_triton,
    "every_triton": kill_every_triton,
    "transformer": kill_transformer,
    "store": collector_faults.kill_store,
    "collector": collector_faults.kill_collector,
    "pod": lose_pods,
    "drain": drain,
    "operator": kill_operator,
    "memory": exhaust_memory,
    "kubelet": kill_kubelet,
    "stopped_triton": stop_triton,
    "stopped_transformer": stop_transformer,
    "stopped_store": functools.partial(stopped.stop_part, part="store"),
    "stopped_collector": functools.partial(stopped.stop_part, part="collector"),
    "stopped_operator": stopped.stop_operator,
    "promotion": promote,
    "rollback": roll_back,
}
