"""Builders of the objects that the operator reads: models, claims and serving pods."""

from __future__ import annotations

from typing import Any

from recommender_operator.adapters.kubernetes.port import CLAIMS, MODELS, Object
from recommender_operator.adapters.objects.finalizer import FINALIZER
from recommender_operator.resources import labels as marks
from tests.fakes.kube import NOW, FakeKube


def model(name: str = "movies", *, spec: Object | None = None, **metadata: Any) -> Object:
    """Return a RecommenderModel as the API server would, once it has the finalizer."""
    base: Object = {
        "data": {"source": {"claimName": "raw", "format": "MovieLens100K"}},
        "storage": {"claimName": "store"},
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
