"""The fields of objects that caches keep: only those that the operator reads."""

from __future__ import annotations

from recommender_operator.adapters.kubernetes.port import JOBS, PODS, TRAIN_JOBS, Object, Resource
from recommender_operator.api.base import GROUP

#: Prefixes of annotations that repeat a whole object.
_BULKY = (f"kopf.{GROUP}/", "kubectl.kubernetes.io/last-applied-configuration")
#: Fields of a container in a spec; its limits explain an OOMKilled.
_CONTAINER = ("name", "resources")
#: Fields of an entry of managedFields.
_STATUS_WRITE = ("manager", "subresource", "time")
_CONTAINERS = ("containers", "initContainers")


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
    """Return a model without the fields that the operator writes at the end of a look."""
    own = {"resourceVersion", "managedFields", "finalizers"}
    metadata = {key: value for key, value in thing["metadata"].items() if key not in own}
    return {key: value for key, value in thing.items() if key != "status"} | {"metadata": metadata}
