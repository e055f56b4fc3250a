"""The caches of models: the kinds and fields that a reconcile reads, and which model is urgent."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from recommender_contract.api_names import GROUP
from recommender_operator.adapters.kinds import (
    AUTOSCALERS,
    BASELINES,
    BUDGETS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOBS,
    MODELS,
    NETWORK_POLICIES,
    REVISIONS,
    SCALED_OBJECTS,
    TRAIN_JOBS,
    VERSIONS,
)
from recommender_operator.controller.caches import Watched
from recommender_operator.controller.kube import PODS, Object, Resource
from recommender_operator.resources import labels

#: Kinds of children, which have the model's label.
CHILDREN = (
    VERSIONS,
    BASELINES,
    JOBS,
    PODS,
    INFERENCE_SERVICES,
    HTTP_ROUTES,
    BUDGETS,
    NETWORK_POLICIES,
    AUTOSCALERS,
    TRAIN_JOBS,
    REVISIONS,
)
#: Those that are children only with `keda.enabled` in the chart, which gives the rights.
CHILDREN_WITH_KEDA = (*CHILDREN, SCALED_OBJECTS)
#: Prefixes of annotations that repeat a whole object.
_BULKY = (f"kopf.{GROUP}/", "kubectl.kubernetes.io/last-applied-configuration")
#: Fields of a container in a spec; its limits explain an OOMKilled.
_CONTAINER = ("name", "resources")
#: Fields of an entry of managedFields.
_STATUS_WRITE = ("manager", "subresource", "time")
_CONTAINERS = ("containers", "initContainers")
#: Prefix of the annotations with which people ask for an action.
REQUEST = f"{GROUP}/"


def watched(children: Sequence[Resource] = CHILDREN, *, selector: str = "") -> Watched:
    """Return the kinds of the caches; `selector` is the label selector of the models."""
    return Watched(
        parent=MODELS,
        selector=selector,
        children=tuple(children),
        label=labels.MODEL,
        slim=slim,
        wanted=wanted_of_model,
        urgency=urgency_of,
        # Whoever starts a window also says when to reconcile again.
        quiet=frozenset({BASELINES}),
        # KEDA may still make an autoscaler.
        finalized=frozenset({SCALED_OBJECTS}),
    )


class Urgency(enum.IntEnum):
    """Urgency of a pass of a model; the lowest number is first."""

    #: Somebody changed or deleted it, or asked for an action, and no operator has responded.
    ASKED = 0
    #: Its candidate may have to lose its share of the requests.
    MOVING = 1
    RESTING = 2


def urgency_of(model: Object) -> Urgency:
    """Return how soon a RecommenderModel needs a pass, as read from the API server."""
    metadata, status = model["metadata"], model.get("status") or {}
    generation = int(metadata.get("generation") or 0)
    if metadata.get("deletionTimestamp") or generation != status.get("observedGeneration", 0):
        return Urgency.ASKED
    handled = {(each.get("action"), each.get("token")) for each in status.get("handled") or ()}
    for name, token in (metadata.get("annotations") or {}).items():
        request = (name.removeprefix(REQUEST), token.strip()[:253])
        if name.startswith(REQUEST) and request not in handled:
            return Urgency.ASKED
    return Urgency.MOVING if status.get("candidate") else Urgency.RESTING


def slim(resource: Resource, thing: Object) -> Object:
    """Return an object without unused fields; the argument does not change."""
    metadata = {key: value for key, value in thing["metadata"].items() if key != "managedFields"}
    if fields := thing["metadata"].get("managedFields"):
        # Manager and time of the status show whether it changed and changed back.
        metadata["managedFields"] = [
            {key: entry.get(key) for key in _STATUS_WRITE}
            for entry in fields
            if entry.get("subresource") == "status"
        ]
    notes = metadata.get("annotations")
    if notes:
        kept = {key: value for key, value in notes.items() if not key.startswith(_BULKY)}
        metadata["annotations"] = kept
    result = {**thing, "metadata": metadata}
    if resource == PODS:
        result["spec"] = _pod_spec(thing.get("spec") or {})
    elif resource in {JOBS, TRAIN_JOBS}:
        result.pop("spec", None)
    return result


def _pod_spec(spec: Object) -> Object:
    return {
        part: [
            {key: container[key] for key in _CONTAINER if key in container}
            for container in spec[part]
        ]
        for part in _CONTAINERS
        if spec.get(part)
    }


def wanted_of_model(thing: Object) -> Object:
    """Return a model without the fields that the operator writes at the end of a pass."""
    own = {"resourceVersion", "managedFields", "finalizers"}
    metadata = {key: value for key, value in thing["metadata"].items() if key not in own}
    return {key: value for key, value in thing.items() if key != "status"} | {"metadata": metadata}
