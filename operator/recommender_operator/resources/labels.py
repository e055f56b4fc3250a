"""Labels, annotations and owner references of the objects that the operator creates."""

from __future__ import annotations

import enum
from typing import Any

from recommender_contract.api_names import (
    API_VERSION,
    COMPONENT_LABEL,
    GROUP,
    JOB_KIND_LABEL,
    MODEL_LABEL,
    VERSION_LABEL,
)
from recommender_operator.observed import JobKind, ModelObject, VersionObject

#: A manifest, as sent to the API server.
Manifest = dict[str, Any]

MODEL = MODEL_LABEL
#: Label of a model, set by its user: the instance of the operator that acts on it.
INSTANCE = f"{GROUP}/instance"
VERSION = VERSION_LABEL
JOB_KIND = JOB_KIND_LABEL
ATTEMPT = f"{GROUP}/attempt"
#: Distinguishes the object whose files a Job removes from earlier ones of the same name.
INCARNATION = f"{GROUP}/incarnation"
COMPONENT = COMPONENT_LABEL
#: Label that Knative gives to the pods of a revision, and to no others.
REVISION = "serving.knative.dev/revision"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "recommender-operator"

#: Label of a claim whose owner allows changing the group of the volume's files.
STORAGE = f"{GROUP}/storage"

#: Annotation with the digest of the serving settings in a manifest.
SERVING_DIGEST = f"{GROUP}/serving-digest"

#: Annotation of a service in Gateway mode: number of the contract of experiments that its
#: transformer knows.
EXPERIMENTS = f"{GROUP}/experiments"
#: The same for the contract of copies.
SHADOWS = f"{GROUP}/shadows"

#: Annotation of a NetworkPolicy with the digest of its rules.
POLICY_DIGEST = f"{GROUP}/policy-digest"

#: Annotation of a HorizontalPodAutoscaler or ScaledObject with the digest of its settings.
SCALING_DIGEST = f"{GROUP}/scaling-digest"

#: Annotation of a route: number of its layout.
LAYOUT = f"{GROUP}/layout"

#: Annotation of a route: digest of the observations that its split is based on.
DECIDED_ON = f"{GROUP}/decided-on"


#: Finalizer of a ModelVersion that serves, so that its record stays until it serves no more.
SERVING_FINALIZER = f"{GROUP}/serving"


class Component(enum.StrEnum):
    """The components of an InferenceService, as KServe names them."""

    TRANSFORMER = "transformer"
    PREDICTOR = "predictor"


def of_model(model: str) -> dict[str, str]:
    """Return the labels of a child of a model."""
    return {MANAGED_BY: MANAGER, MODEL: model}


def of_version(model: str, version: str) -> dict[str, str]:
    """Return the labels of a child of a version."""
    return {**of_model(model), VERSION: version}


def of_component(model: str, version: str, component: Component) -> dict[str, str]:
    """Return the labels of the pods of one component of a version."""
    return {**of_version(model, version), COMPONENT: component.value}


def revisions(model: str) -> Manifest:
    """Return the selector of the pods of all revisions of a model in Knative mode."""
    exists = {"key": REVISION, "operator": "Exists"}
    return {"matchLabels": of_model(model), "matchExpressions": [exists]}


def of_job(model: str, version: str, kind: JobKind, attempt: int) -> dict[str, str]:
    """Return the labels of a Job and of its pods."""
    return {**of_version(model, version), JOB_KIND: kind.value, ATTEMPT: str(attempt)}


def owned_by_model(model: ModelObject) -> list[Manifest]:
    """Return the owner references of a child of the RecommenderModel."""
    return [_owner(f"{GROUP}/{API_VERSION}", "RecommenderModel", model.name, model.uid)]


def owned_by_version(version: VersionObject) -> list[Manifest]:
    """Return the owner references of a child of the ModelVersion."""
    return [_owner(f"{GROUP}/{API_VERSION}", "ModelVersion", version.name, version.uid)]


def of_service(model: ModelObject, version: VersionObject) -> list[Manifest]:
    """Return the owner references of a version's InferenceService: its version controls it.

    Its model owns it too, so that garbage collection keeps it if the version is deleted by force.
    """
    (beside,) = owned_by_model(model)
    return [*owned_by_version(version), {**beside, "controller": False}]


def owned_by_service(service: Manifest) -> list[Manifest]:
    """Return the owner references of a child of a stored InferenceService."""
    metadata = service["metadata"]
    api_version, kind = service["apiVersion"], service["kind"]
    return [_owner(api_version, kind, metadata["name"], metadata["uid"])]


def _owner(api_version: str, kind: str, name: str, uid: str) -> Manifest:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        # True would require permission to update finalizers, and nothing waits for the children.
        "blockOwnerDeletion": False,
    }
