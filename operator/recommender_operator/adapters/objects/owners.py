"""Resolve the owners of pods, by following controllers along the chains that exist.

    pod -> ReplicaSet -> Deployment -> InferenceService -> ModelVersion            (Gateway)
    pod -> ReplicaSet -> Deployment -> Revision -> Configuration -> Service
        -> InferenceService -> RecommenderModel                                   (Knative)
    pod -> Job
    pod -> Job -> JobSet -> TrainJob                                    (several workers)

An owner reference is what its object says of itself: whoever may create pods could name a
ModelVersion as the controller of one. So a pod counts only at the end of a whole chain, whose
objects have the kinds, API groups and names that their controllers give them. The ReplicaSet, Job
and Deployment controllers release or delete what they did not make, and a name exists once.

A controller does not change, so each object is read once, and pods that were resolved before need
no request. The one exception is a service that gets the rebuilt record of its version (`forget`).
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from recommender_operator.adapters.kinds import (
    CONFIGURATIONS,
    DEPLOYMENTS,
    INFERENCE_SERVICES,
    JOB_SETS,
    JOBS,
    KNATIVE_SERVICES,
    MODELS,
    REPLICA_SETS,
    REVISIONS,
    TRAIN_JOBS,
    VERSIONS,
)
from recommender_operator.adapters.objects.owned import Controller, controller_of
from recommender_operator.controller.kube import Kube, Object, Resource
from recommender_operator.resources import baseline_deployment_names
from recommender_operator.resources.labels import Component

#: Maximum number of objects read in one pass; other pods are resolved in later passes.
LOOKUPS = 32
#: Maximum number of cached controllers.
REMEMBERED = 16_384
#: Time in seconds before a missing object, or one without a controller, is read again.
_STRANGER_SECONDS = 30.0

#: The kinds of controllers, by API group and kind.
_KINDS: dict[tuple[str, str], Resource] = {
    ("apps", "ReplicaSet"): REPLICA_SETS,
    ("apps", "Deployment"): DEPLOYMENTS,
    ("serving.kserve.io", "InferenceService"): INFERENCE_SERVICES,
    ("serving.knative.dev", "Revision"): REVISIONS,
    ("serving.knative.dev", "Configuration"): CONFIGURATIONS,
    ("serving.knative.dev", "Service"): KNATIVE_SERVICES,
    ("batch", "Job"): JOBS,
    ("jobset.x-k8s.io", "JobSet"): JOB_SETS,
    (TRAIN_JOBS.group, "TrainJob"): TRAIN_JOBS,
    (MODELS.group, "RecommenderModel"): MODELS,
    (VERSIONS.group, "ModelVersion"): VERSIONS,
}
#: The controllers from a pod's own to the last one, which must be known.
_CHAINS = (
    (REPLICA_SETS, DEPLOYMENTS, INFERENCE_SERVICES, VERSIONS),
    (
        REPLICA_SETS, DEPLOYMENTS, REVISIONS, CONFIGURATIONS, KNATIVE_SERVICES,
        INFERENCE_SERVICES, MODELS,
    ),
    (JOBS,),
    (JOBS, JOB_SETS, TRAIN_JOBS),
)  # fmt: skip

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
        self, namespace: str, pods: Iterable[Object], known: Collection[Controller]
    ) -> dict[str, str]:
        """Return the known owner's uid at the end of its chain, by uid of the pod.

        Pods without such a chain are omitted.

        Raises:
            KubeError: the API server failed.
        """
        left = LOOKUPS
        ends = frozenset(known)
        result: dict[str, str] = {}
        for pod in pods:
            path: list[Controller] = []
            at = controller_of(pod)
            while at is not None and _continues(path, at):
                path.append(at)
                if at in ends and _ends(path):
                    result[pod["metadata"]["uid"]] = at.uid
                    break
                if at.uid not in self._parents:
                    if left == 0 or self._strangers.get(at.uid, 0.0) > self._clock():
                        break
                    left -= 1
                    await self._look_up(namespace, at)
                at = self._parents.get(at.uid)
        return result

    def forget(self, uids: Iterable[str]) -> None:
        """Read objects anew, because they get another controller."""
        for uid in uids:
            self._parents.pop(uid, None)
            self._strangers.pop(uid, None)

    async def _look_up(self, namespace: str, at: Controller) -> None:
        found = await self._read(namespace, at)
        same = found is not None and found["metadata"]["uid"] == at.uid
        parent = controller_of(found) if found is not None and same else None
        if parent is None:
            _remember(self._strangers, at.uid, self._clock() + _STRANGER_SECONDS)
        else:
            _remember(self._parents, at.uid, parent)

    async def _read(self, namespace: str, at: Controller) -> Object | None:
        """Return a controller. Each request names its kind, so that its right can be checked."""
        kube, name = self._kube, at.name
        match at.kind:
            case "ReplicaSet":
                return await kube.get(REPLICA_SETS, namespace, name)
            case "Deployment":
                return await kube.get(DEPLOYMENTS, namespace, name)
            case "InferenceService":
                return await kube.get(INFERENCE_SERVICES, namespace, name)
            case "Revision":
                return await kube.get(REVISIONS, namespace, name)
            case "Configuration":
                return await kube.get(CONFIGURATIONS, namespace, name)
            case "Service":
                return await kube.get(KNATIVE_SERVICES, namespace, name)
            case "Job":
                return await kube.get(JOBS, namespace, name)
            case "JobSet":
                return await kube.get(JOB_SETS, namespace, name)
        return None


def _continues(path: list[Controller], at: Controller) -> bool:
    """Return whether a chain goes on with a controller, after those of the path."""
    if path and not _named_by(path[-1], at):
        return False
    kinds = _kinds([*path, at])
    return any(chain[: len(kinds)] == kinds for chain in _CHAINS)


def _ends(path: list[Controller]) -> bool:
    return _kinds(path) in _CHAINS


def _kinds(path: list[Controller]) -> tuple[Resource | None, ...]:
    return tuple(_KINDS.get((at.group, at.kind)) for at in path)


def _named_by(child: Controller, parent: Controller) -> bool:
    """Return whether an object has a name that its controller gives.

    Names of ReplicaSets, of Revisions and of their Deployments have parts that are not known.
    """
    match parent.kind, child.kind:
        case "InferenceService", _:
            return child.name in {f"{parent.name}-{component}" for component in Component}
        case "ModelVersion", _:
            return child.name in (parent.name, baseline_deployment_names.deployment(parent.name))
        case ("RecommenderModel", _) | ("Service", _) | ("TrainJob", _):
            return child.name == parent.name
    return True


def _remember(memory: collections.OrderedDict[str, _Known], uid: str, known: _Known) -> None:
    """Add an entry, and forget the oldest ones beyond the bound."""
    memory[uid] = known
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)
