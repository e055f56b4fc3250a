"""Resolve the owners of pods, by following controllers up to a known uid.

    pod -> ReplicaSet -> Deployment -> InferenceService -> ModelVersion            (Gateway)
    pod -> ReplicaSet -> Deployment -> Revision -> Configuration -> Service
        -> InferenceService -> RecommenderModel                                   (Knative)
    pod -> Job -> JobSet -> TrainJob                                    (several workers)

A controller does not change, so each object is read once, and pods that were resolved before need
no request.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from recommender_operator.adapters.kubernetes.port import (
    CONFIGURATIONS,
    DEPLOYMENTS,
    INFERENCE_SERVICES,
    JOB_SETS,
    JOBS,
    KNATIVE_SERVICES,
    REPLICA_SETS,
    REVISIONS,
    Kube,
    Object,
)
from recommender_operator.adapters.objects.owned import Controller, controller_of

#: Maximum number of objects read in one look; other pods are resolved in later looks.
LOOKUPS = 32
#: Maximum number of cached controllers.
REMEMBERED = 16_384
#: Maximum length of a chain: the longest one above, plus one.
_DEPTH = 8
#: Time in seconds before a missing object, or one without a controller, is read again.
_STRANGER_SECONDS = 30.0

_Known = TypeVar("_Known")


class OwnerReader:
    """Resolves the owners of pods."""

    def __init__(self, kube: Kube, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds."""
        self._kube = kube
        self._clock = clock
        self._parents: collections.OrderedDict[str, Controller] = collections.OrderedDict()
        self._strangers: collections.OrderedDict[str, float] = collections.OrderedDict()

    async def owners(
        self, namespace: str, pods: Iterable[Object], known: Collection[str]
    ) -> dict[str, str]:
        """Return the first known owner's uid, by uid of the pod.

        Pods without a known owner are omitted.

        Raises:
            KubeError: the API server failed.
        """
        left = LOOKUPS
        result: dict[str, str] = {}
        for pod in pods:
            at = controller_of(pod)
            for _ in range(_DEPTH):
                if at is None:
                    break
                if at.uid in known:
                    result[pod["metadata"]["uid"]] = at.uid
                    break
                if at.uid not in self._parents:
                    if left == 0 or self._strangers.get(at.uid, 0.0) > self._clock():
                        break
                    left -= 1
                    await self._look_up(namespace, at)
                at = self._parents.get(at.uid)
        return result

    async def _look_up(self, namespace: str, at: Controller) -> None:
        found = await self._read(namespace, at)
        same = found is not None and found["metadata"]["uid"] == at.uid
        parent = controller_of(found) if found is not None and same else None
        if parent is None:
            _remember(self._strangers, at.uid, self._clock() + _STRANGER_SECONDS)
        else:
            _remember(self._parents, at.uid, parent)

    async def _read(self, namespace: str, at: Controller) -> Object | None:
        kube, name = self._kube, at.name
        match at.group, at.kind:
            case "apps", "ReplicaSet":
                return await kube.get(REPLICA_SETS, namespace, name)
            case "apps", "Deployment":
                return await kube.get(DEPLOYMENTS, namespace, name)
            case "serving.kserve.io", "InferenceService":
                return await kube.get(INFERENCE_SERVICES, namespace, name)
            case "serving.knative.dev", "Revision":
                return await kube.get(REVISIONS, namespace, name)
            case "serving.knative.dev", "Configuration":
                return await kube.get(CONFIGURATIONS, namespace, name)
            case "serving.knative.dev", "Service":
                return await kube.get(KNATIVE_SERVICES, namespace, name)
            case "batch", "Job":
                return await kube.get(JOBS, namespace, name)
            case "jobset.x-k8s.io", "JobSet":
                return await kube.get(JOB_SETS, namespace, name)
        return None


def _remember(memory: collections.OrderedDict[str, _Known], uid: str, known: _Known) -> None:
    """Add an entry, and forget the oldest ones beyond the bound."""
    memory[uid] = known
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)
