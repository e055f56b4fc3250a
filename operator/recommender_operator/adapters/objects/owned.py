"""Ownership of observed objects: by the uid of the controller, not by labels.

Anybody who may create a pod in the namespace can give it the labels of a model. Only the uid in
the controller's owner reference counts, up to an object with a known uid.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping

from recommender_contract.api_names import GROUP
from recommender_operator.adapters.kinds import JOBS, KINDS, MODELS, TRAIN_JOBS, VERSIONS
from recommender_operator.adapters.pods.pod_states import label
from recommender_operator.api.spec_rollout import TrafficMode
from recommender_operator.controller.kube import Object
from recommender_operator.observed import JobKind, ModelObject, VersionObject
from recommender_operator.resources import baseline_deployment_names, labels, ownership


@dataclasses.dataclass(frozen=True, kw_only=True)
class Controller:
    """The owner reference of an object's controller."""

    group: str
    kind: str
    name: str
    uid: str


def controller_of(thing: Object) -> Controller | None:
    """Return the controller of an object; None if it has none."""
    owner = ownership.controller_of(thing)
    if owner is None:
        return None
    group, slash, _ = str(owner.get("apiVersion", "")).partition("/")
    return Controller(
        group=group if slash else "",
        kind=str(owner.get("kind", "")),
        name=str(owner.get("name", "")),
        uid=str(owner.get("uid", "")),
    )


def ends(
    model: ModelObject, versions: Iterable[VersionObject], jobs: Iterable[Object]
) -> list[Controller]:
    """Return the controllers at which the pods of a model may end.

    The model itself only in Knative mode, where it owns the one InferenceService.
    """
    result = [
        Controller(group=GROUP, kind=KINDS[VERSIONS], name=version.name, uid=version.uid)
        for version in versions
    ]
    if model.spec.rollout.traffic is TrafficMode.KNATIVE:
        result.append(Controller(group=GROUP, kind=KINDS[MODELS], name=model.name, uid=model.uid))
    for job in jobs:
        resource = TRAIN_JOBS if job.get("kind") == KINDS[TRAIN_JOBS] else JOBS
        metadata = job["metadata"]
        result.append(
            Controller(
                group=resource.group,
                kind=KINDS[resource],
                name=metadata["name"],
                uid=metadata["uid"],
            )
        )
    return result


def controlled_by(things: Iterable[Object], uids: Collection[str]) -> list[Object]:
    """Return the objects whose controller has one of the uids."""
    return [thing for thing in things if ownership.owned_by(thing, uids)]


def pods_of_jobs(
    pods: Iterable[Object], owners: Mapping[str, str], jobs: Iterable[Object]
) -> dict[str, list[Object]]:
    """Return the pods by uid of their Job or TrainJob; `owners` has the owner's uid by pod."""
    result: dict[str, list[Object]] = {job["metadata"]["uid"]: [] for job in jobs}
    for pod in pods:
        owner = owners.get(pod["metadata"]["uid"])
        if owner in result:
            result[owner].append(pod)
    return result


def using_files(pods: Iterable[Object]) -> tuple[str, ...]:
    """Return the names of pods that have not ended, but for those of removals."""
    return tuple(
        sorted(
            pod["metadata"]["name"]
            for pod in pods
            if label(pod, labels.JOB_KIND) != JobKind.REMOVE
            and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        )
    )


def serving_pods(
    pods: Iterable[Object],
    owners: Mapping[str, str],
    model_uid: str,
    versions: Iterable[VersionObject],
) -> dict[str, list[Object]]:
    """Return the serving pods by version, or by its fresh deployment.

    In Knative mode one InferenceService, which the model owns, serves all versions, and its
    template names the version; in Gateway mode the version itself is the owner.
    """
    names = {version.uid: version.name for version in versions}
    result: dict[str, list[Object]] = {}
    for pod in pods:
        version = label(pod, labels.VERSION)
        owner = owners.get(pod["metadata"]["uid"])
        if not version:
            continue
        if owner == model_uid or names.get(owner or "") == baseline_deployment_names.version_of(
            version
        ):
            result.setdefault(version, []).append(pod)
    return result
