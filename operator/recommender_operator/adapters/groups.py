"""Which of a TrainJob's pods speaks for it: the first worker, or the one that failed first.

Workers wait for one another. When one ends, the others lose their connections a moment later and
fail as well, so the newest failure says least.
"""

from __future__ import annotations

from collections.abc import Sequence

from recommender_operator.adapters import pods
from recommender_operator.adapters.kube import Object
from recommender_operator.resources.jobs import CONTAINER
from recommender_operator.resources.train_jobs import JOB_SET, NODE, RANK

#: The containers that train, check, publish and remove.
CONTAINERS = frozenset({CONTAINER, NODE})
#: Exit codes above this are those of a signal: nothing that the worker did by itself.
_SIGNALLED = 128


def container_of(pod: Object) -> str:
    """Return the name of the container that does the work."""
    return NODE if pods.label(pod, JOB_SET) else CONTAINER


def ended(pod: Object) -> Object | None:
    """Return how the container that does the work ended; None while it has not."""
    for status in pod.get("status", {}).get("containerStatuses") or []:
        if status.get("name") in CONTAINERS:
            state: Object | None = (status.get("state") or {}).get("terminated")
            return state
    return None


def leading(own: Sequence[Object]) -> list[Object]:
    """Return the pods that report: all of a Job, those of rank 0 of a group."""
    return [pod for pod in own if pods.label(pod, RANK) in ("", "0")]


def culprit(own: Sequence[Object]) -> Object:
    """Return the pod that a failure is told of: a Job's newest, a group's first to fail.

    Times are in whole seconds. Of those who failed in the same one, a worker that the kernel or
    the kubelet ended comes before one that ended itself.

    Raises:
        IndexError: there are no pods.
    """
    if not pods.label(own[-1], JOB_SET):
        return own[-1]
    failed = [pod for pod in own if _failed(pod)]
    return min(failed, key=_blame) if failed else own[-1]


def _failed(pod: Object) -> bool:
    state = ended(pod)
    evicted = pod.get("status", {}).get("reason") == "Evicted"
    return evicted or (state is not None and bool(state.get("exitCode")))


def _blame(pod: Object) -> tuple[str, bool, str]:
    state = ended(pod) or {}
    by_itself = bool(state) and int(state.get("exitCode") or 0) <= _SIGNALLED
    return str(state.get("finishedAt", "")), by_itself, pods.label(pod, RANK).zfill(4)
