"""The operator's own kinds, parsed from JSON."""

from __future__ import annotations

import datetime
from typing import TypeVar

import pydantic

from recommender_contract.api_names import GROUP
from recommender_contract.resource.base import ApiModel
from recommender_operator.api.spec import RecommenderModelSpec
from recommender_operator.api.status import RecommenderModelStatus
from recommender_operator.api.version import ModelVersionSpec, ModelVersionStatus
from recommender_operator.controller.kube import Object
from recommender_operator.observed import ModelObject, VersionObject
from recommender_operator.resources import labels

PREFIX = f"{GROUP}/"
M = TypeVar("M", bound=ApiModel)


class ObservationError(Exception):
    """An object violates its schema: its CRD is from another release than the operator."""


def model_object(raw: Object) -> ModelObject:
    """Return a RecommenderModel.

    Raises:
        ObservationError: it violates its schema.
    """
    metadata = raw["metadata"]
    annotations = metadata.get("annotations") or {}
    return ModelObject(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        generation=int(metadata.get("generation") or 0),
        spec=_parsed(RecommenderModelSpec, raw, "spec"),
        status=_parsed(RecommenderModelStatus, raw, "status"),
        annotations={
            key.removeprefix(PREFIX): str(value)
            for key, value in annotations.items()
            if key.startswith(PREFIX)
        },
        deleting=bool(metadata.get("deletionTimestamp")),
        created_at=_time(metadata.get("creationTimestamp")),
        deleting_since=_time(metadata.get("deletionTimestamp")),
    )


def version_object(raw: Object) -> VersionObject:
    """Return a ModelVersion.

    Raises:
        ObservationError: it violates its schema.
    """
    metadata = raw["metadata"]
    return VersionObject(
        name=metadata["name"],
        uid=metadata["uid"],
        spec=_parsed(ModelVersionSpec, raw, "spec"),
        status=_parsed(ModelVersionStatus, raw, "status"),
        created_at=_time(metadata.get("creationTimestamp")),
        held=labels.SERVING_FINALIZER in (metadata.get("finalizers") or ()),
        deleting=bool(metadata.get("deletionTimestamp")),
    )


def _time(text: str | None) -> datetime.datetime | None:
    return datetime.datetime.fromisoformat(text) if text else None


def _parsed(model: type[M], raw: Object, part: str) -> M:
    try:
        return model.model_validate(raw.get(part) or {})
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(step) for step in first["loc"])
        raise ObservationError(
            f"{raw.get('kind', 'object')} {raw['metadata']['name']}: {part}.{field}: "
            f"{first['msg']}; apply the CRDs of this release of the operator"
        ) from error


def bare_model(raw: Object) -> ModelObject:
    """Return a model for Events about an object whose spec is invalid."""
    unknown = {"persistentVolumeClaim": {"claimName": "unknown"}}
    readable = {
        "data": {"source": {**unknown, "format": "MovieLens100K"}},
        "storage": unknown,
    }
    return model_object({**raw, "spec": readable, "status": {}})
