"""Names of the API for more than the operator: group, labels, annotations of requests."""

from __future__ import annotations

GROUP, API_VERSION = "recommender.dev", "v1alpha1"

#: Labels of the objects of a model, of a version, and of a Job's kind.
MODEL_LABEL = f"{GROUP}/model"
VERSION_LABEL = f"{GROUP}/version"
JOB_KIND_LABEL = f"{GROUP}/job-kind"
#: Label of a serving pod in Gateway mode; in Knative mode one pod is both components.
COMPONENT_LABEL = f"{GROUP}/component"


def request_annotation(action: str) -> str:
    """Return the annotation of a model that requests an action, such as `retrain`."""
    return f"{GROUP}/{action}"
