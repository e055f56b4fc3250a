"""Builders of the objects that the operator reads: models, claims and serving pods."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from recommender_operator.adapters.kinds import (
    CLAIMS,
    CONFIGURATIONS,
    DEPLOYMENTS,
    JOB_SETS,
    JOBS,
    KNATIVE_SERVICES,
    MODELS,
    REPLICA_SETS,
    REVISIONS,
)
from recommender_operator.adapters.objects.finalizer import FINALIZER
from recommender_operator.controller.kube import Kube, Object, Resource
from recommender_operator.resources import labels as marks
from tests.fakes.kube import NOW, FakeKube
from tests.sources import SOURCE


def model(name: str = "movies", *, spec: Object | None = None, **metadata: Any) -> Object:
    """Return a RecommenderModel as the API server would, once it has the finalizer."""
    base: Object = {
        "data": {"source": SOURCE},
        "storage": {"persistentVolumeClaim": {"claimName": "store"}},
    }
    return {
        "apiVersion": "recommender.dev/v1alpha1",
        "kind": "RecommenderModel",
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": f"uid-of-{name}",
            "generation": 1,
            "creationTimestamp": NOW.isoformat(),
            "finalizers": [FINALIZER],
            **metadata,
        },
        "spec": base | (spec or {}),
    }


def add_claim(kube: FakeKube, name: str, **labels: str) -> Object:
    """Store a bound claim."""
    metadata = {"name": name, "namespace": "team", "labels": labels}
    spec = {"accessModes": ["ReadWriteOnce"]}
    return kube.put(CLAIMS, {"metadata": metadata, "spec": spec, "status": {"phase": "Bound"}})


def add_model(kube: FakeKube, **changes: Any) -> Object:
    for name in ("raw", "store"):
        add_claim(kube, name)
    return kube.put(MODELS, model(**changes))


def controller(kind: str, name: str, uid: str) -> list[Object]:
    """Return the owner references of an object that a controller created."""
    groups = {
        "ReplicaSet": "apps/v1",
        "Deployment": "apps/v1",
        "Job": "batch/v1",
        "JobSet": "jobset.x-k8s.io/v1alpha2",
        "TrainJob": "trainer.kubeflow.org/v1alpha1",
        "InferenceService": "serving.kserve.io/v1beta1",
        "Revision": "serving.knative.dev/v1",
        "Configuration": "serving.knative.dev/v1",
        "Service": "serving.knative.dev/v1",
    }
    version = groups.get(kind, "recommender.dev/v1alpha1")
    owner = {"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": True}
    return [owner]


@dataclasses.dataclass(frozen=True)
class Link:
    """A controller between a pod and its last owner."""

    kind: str
    resource: Resource


#: The controllers of pods in the order of their creation, after an InferenceService or a TrainJob.
STANDARD_CHAIN: Sequence[Link] = (
    Link("Deployment", DEPLOYMENTS),
    Link("ReplicaSet", REPLICA_SETS),
)
KNATIVE_CHAIN: Sequence[Link] = (
    Link("Service", KNATIVE_SERVICES),
    Link("Configuration", CONFIGURATIONS),
    Link("Revision", REVISIONS),
    *STANDARD_CHAIN,
)
GROUP_CHAIN = (Link("JobSet", JOB_SETS), Link("Job", JOBS))


def link(step: Link, namespace: str, name: str, owners: list[Object]) -> Object:
    """Return a controller of pods that runs none itself."""
    metadata = {"name": name, "namespace": namespace, "ownerReferences": owners}
    own = {"app": name}
    container = {"name": "main", "image": "example/image:1"}
    template: Object = {"metadata": {"labels": own}, "spec": {"containers": [container]}}
    spec: Object = {"selector": {"matchLabels": own}, "replicas": 0, "template": template}
    resource = step.resource
    if resource == JOBS:
        template["spec"]["restartPolicy"] = "Never"
        spec = {"suspend": True, "template": template}
    elif resource == JOB_SETS:
        spec = {"replicatedJobs": []}
    version = f"{resource.group}/{resource.version}"
    return {"apiVersion": version, "kind": step.kind, "metadata": metadata, "spec": spec}


async def create_chain(
    kube: Kube, chain: Sequence[Link], namespace: str, name: str, owners: list[Object]
) -> list[Object]:
    """Create the controllers of a pod below its owners, and return them; the last is the pod's."""
    made = []
    for step in chain:
        await kube.create(step.resource, link(step, namespace, name, owners))
        found = await kube.get(step.resource, namespace, name)
        assert found is not None
        made.append(found)
        owners = controller(step.kind, name, found["metadata"]["uid"])
    return made


def put_chain(
    kube: FakeKube, chain: Sequence[Link], name: str, owners: list[Object]
) -> list[Object]:
    """Store the controllers of a pod below its owners; return the pod's controller."""
    for step in chain:
        made = kube.put(step.resource, link(step, "team", name, owners))
        owners = controller(step.kind, name, made["metadata"]["uid"])
    return owners


def pod(
    name: str,
    version: str,
    *,
    ready: bool = True,
    model_name: str = "movies",
    revision: str = "",
    component: str = "",
    owners: list[Object] | None = None,
    **status: Any,
) -> Object:
    """Return a serving pod; `owners` are its owner references, by default the model."""
    own = marks.of_version(model_name, version)
    if component:
        own[marks.COMPONENT] = component
    if revision:
        own["serving.knative.dev/revision"] = revision
    return {
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": f"uid-{name}",
            "creationTimestamp": NOW.isoformat(),
            "labels": own,
            "ownerReferences": controller("RecommenderModel", model_name, f"uid-of-{model_name}")
            if owners is None
            else owners,
        },
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            **status,
        },
    }
