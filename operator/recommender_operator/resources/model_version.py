"""The manifest of a ModelVersion."""

from __future__ import annotations

from recommender_contract.api_names import API_VERSION, GROUP
from recommender_operator.api.version import ModelVersionSpec
from recommender_operator.observed import ModelObject
from recommender_operator.resources import labels
from recommender_operator.resources.labels import Manifest


def model_version(model: ModelObject, name: str, spec: ModelVersionSpec) -> Manifest:
    """Return a ModelVersion owned by its RecommenderModel."""
    return {
        "apiVersion": f"{GROUP}/{API_VERSION}",
        "kind": "ModelVersion",
        "metadata": {
            "name": name,
            "namespace": model.namespace,
            "labels": labels.of_version(model.name, name),
            "ownerReferences": labels.owned_by_model(model),
        },
        "spec": spec.dump(),
    }
