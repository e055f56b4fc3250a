"""The pod of a TrainJob whose result counts: the first worker, or the first one that failed.

Workers wait for one another. If one ends, the others soon lose their connections and fail too, so
the newest failure is not the cause.
"""

from __future__ import annotations

from collections.abc import Sequence

from recommender_operator.adapters.pods import pod_states as pods
from recommender_operator.controller.kube import Object
from recommender_operator.resources.jobs import CONTAINER
from recommender_operator.resources.train_jobs import JOB_SET, NODE, RANK

#: Names of the main containers of Jobs and TrainJobs.
CONTAINERS = frozenset({CONTAINER, NODE})
#: Exit codes above this are from a signal, not from the worker itself.
_SIGNALLED = 128


def container_of(pod: Object) -> str:
    """Return the name of the main container."""
    return NODE if pods.label(pod, JOB_SET) else CONTAINER


def ended(pod: Object) -> Object | None:
    """Return the terminated state of the main container; None if it has not terminated."""
    for status in pod.get("status", {}).get("containerStatuses") or []:
        if status.get("name") in CONTAINERS:
            state: Object | None = (status.get("state") or {}).get("terminated")
            return state
    return None


def leading(own: Sequence[Object]) -> list[Object]:
    """Return the pods that write a report: all pods of a Job, rank 0 of a group."""
    return [pod for pod in own if pods.label(pod, RANK) in ("", "0")]


def culprit(own: Sequence[Object]) -> Object:
    """Return the pod whose failure to report: the newest of a Job, the first failed of a group.

    Times are in whole seconds. Within a second, a worker that was killed by a signal precedes one
    that exited by itself.

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
