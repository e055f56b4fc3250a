"""Restarts and disruptions of pods."""

from __future__ import annotations

from collections.abc import Sequence

from recommender_operator.controller.kube import Object

#: Maximum length of a cause, in characters.
MAX_CAUSE = 253


def restarts(pods: Sequence[Object]) -> tuple[int, str]:
    """Return the number of container restarts, and why the last container terminated.

    Evicted and drained pods do not count: Kubernetes terminates their containers.
    """
    count, causes = 0, []
    for pod in pods:
        if _is_disrupted(pod):
            continue
        for container in _containers(pod):
            number = int(container.get("restartCount") or 0)
            count += number
            if number:
                causes.append(_cause(container))
    return count, max(causes)[1] if causes else ""


def disrupted(pods: Sequence[Object]) -> bool:
    """Return whether pods are missing for an external cause.

    This is so if no pod exists, one is being deleted, or the existing ones wait for a node.
    """
    if any(_is_disrupted(pod) for pod in pods):
        return True
    return all(_is_pending(pod) and not restarts([pod])[0] for pod in pods)


def _is_disrupted(pod: Object) -> bool:
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp") or status.get("reason") == "Evicted":
        return True
    conditions = status.get("conditions") or []
    return any(
        c.get("type") == "DisruptionTarget" and c.get("status") == "True" for c in conditions
    )


def _is_pending(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") == "Pending"


def _containers(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    names = ("initContainerStatuses", "containerStatuses")
    return [container for name in names for container in status.get(name) or []]


def _cause(container: Object) -> tuple[str, str]:
    """Return when and how the container last terminated."""
    ended = (container.get("lastState") or {}).get("terminated") or {}
    reason = str(ended.get("reason") or "Unknown")
    waiting = (container.get("state") or {}).get("waiting") or {}
    backs_off = ", CrashLoopBackOff" if waiting.get("reason") == "CrashLoopBackOff" else ""
    code = f" (exit code {ended['exitCode']})" if "exitCode" in ended else ""
    text = f"container {container.get('name', '')}: {reason}{code}{backs_off}"
    return str(ended.get("finishedAt") or ""), text[:MAX_CAUSE]
