"""States of pods: readiness, address, and what prevents them from working."""

from __future__ import annotations

from collections.abc import Iterable

from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.controller import redaction
from recommender_operator.controller.kube import Object
from recommender_operator.resources import labels
from recommender_operator.resources.labels import Component

#: Maximum length of a reason in a message, in characters.
REASON_LIMIT = 253
#: Reason of a pod that fits on no node.
UNSCHEDULABLE = "Unschedulable"

_STUCK = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "CrashLoopBackOff",
    }
)


def label(pod: Object, key: str) -> str:
    """Return the value of a label; empty if it is not set."""
    return str((pod["metadata"].get("labels") or {}).get(key, ""))


def answering(pods: Iterable[Object]) -> list[Object]:
    """Return the pods that answer requests: all except those that run only Triton."""
    return [pod for pod in pods if label(pod, labels.COMPONENT) != Component.PREDICTOR]


def is_ready(pod: Object) -> bool:
    """Return whether a pod is Ready and not being deleted."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = pod.get("status", {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def has_ended(pod: Object) -> bool:
    """Return whether a pod has terminated, such as an evicted one."""
    return pod.get("status", {}).get("phase") in {"Failed", "Succeeded"}


def stays(pod: Object) -> bool:
    """Return whether a pod runs or will, so that its Deployment makes none in its place."""
    return not pod["metadata"].get("deletionTimestamp") and not has_ended(pod)


def pod_ref(pod: Object) -> PodRef:
    """Return name and address of a pod; without an address if it has terminated.

    A terminated pod keeps its IP in the status, but does not answer: a request to it would delay
    the pass that withdraws its traffic.
    """
    ip = "" if has_ended(pod) else str(pod.get("status", {}).get("podIP") or "")
    return PodRef(name=pod["metadata"]["name"], ip=ip, ready=is_ready(pod))


def unscheduled(pods: Iterable[Object]) -> str:
    """Return a pod that fits on no node, and the scheduler's reason; empty if there is none."""
    for pod in filter(stays, pods):
        reason, message = obstacle(pod)
        if reason == UNSCHEDULABLE:
            return f"pod {pod['metadata']['name']}: {message}"
    return ""


def obstacle(pod: Object) -> tuple[str, str]:
    """Return reason and message of what prevents a pod from working; empty if nothing does."""
    reason, message = _obstacle(pod)
    return reason[:REASON_LIMIT], redaction.head(message)


def _obstacle(pod: Object) -> tuple[str, str]:
    status = pod.get("status", {})
    if status.get("reason") == "Evicted":
        return "Evicted", str(status.get("message", ""))
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            reason = str(condition.get("reason") or UNSCHEDULABLE)
            return reason, str(condition.get("message", ""))
    states = [*(status.get("initContainerStatuses") or [])]
    states += status.get("containerStatuses") or []
    for container in states:
        found = _container_obstacle(pod, container)
        if found is not None:
            return found
    return "", ""


def _container_obstacle(pod: Object, container: Object) -> tuple[str, str] | None:
    name = container.get("name", "")
    state = container.get("state") or {}
    last = (container.get("lastState") or {}).get("terminated") or {}
    ended = state.get("terminated") or {}
    waiting = state.get("waiting") or {}
    for end in (ended, last):
        if end.get("reason") == "OOMKilled":
            limit = _memory_limit(pod, name)
            text = f"container {name} used more memory than its limit{limit}: raise the memory"
            return "OOMKilled", f"{text} of its resources in the spec"
    if waiting.get("reason") in _STUCK:
        details = str(waiting.get("message") or last.get("message") or "")
        return str(waiting["reason"]), f"container {name}: {details}"
    if ended and ended.get("exitCode"):
        details = str(ended.get("message") or "")
        reason = str(ended.get("reason") or "Error")
        return reason, f"container {name} terminated with exit code {ended['exitCode']}: {details}"
    return None


def _memory_limit(pod: Object, name: str) -> str:
    spec = pod.get("spec", {})
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        limit = (container.get("resources") or {}).get("limits", {}).get("memory")
        if container.get("name") == name and limit:
            return f" of {limit}"
    return ""
