"""The kinds that pages name, and the fields of ours: pure, but for reading the definitions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from recommender_operator.api import crd

Schema = Mapping[str, Any]
#: Kinds of Kubernetes and of what the operator needs, as the pages write them.
OTHERS = {
    "namespace", "namespaces", "pod", "pods", "event", "events", "lease", "deployment",
    "deployments", "service", "secret", "configmap", "persistentvolumeclaim",
    "persistentvolumeclaims", "pvc", "jobs", "job", "networkpolicies", "hpa", "httproute",
    "scaledobject",
    "httproutes", "inferenceservice", "inferenceservices", "trainjobs", "jobsets", "nodes",
    "resourcequota", "crd", "statefulset", "endpointslices",
}  # fmt: skip
_METADATA = {"name", "namespace", "labels", "annotations", "finalizers", "creationTimestamp"}


@cache
def ours() -> Mapping[str, Schema]:
    """Return the schema of each of our kinds by each of its names."""
    found = {}
    for definition in crd.render_all().values():
        names = definition["spec"]["names"]
        (version,) = definition["spec"]["versions"]
        schema = version["schema"]["openAPIV3Schema"]
        for name in (names["plural"], names["singular"], *names.get("shortNames", ())):
            found[name] = schema
    return found


def kind_problems(kinds: str) -> Iterator[str]:
    """Yield the names of kinds, as in `pods,events`, that do not exist."""
    for kind in kinds.split(","):
        if kind.partition(".")[0] not in ours().keys() | OTHERS:
            yield f"{kind} is no known kind"


def path_problems(kind: str, path: str) -> Iterator[str]:
    """Yield what is wrong with a path of fields, as `spec.data` or `.status.steps[*].weight`."""
    schema = ours().get(kind)
    if schema is None:
        return
    names = re.sub(r"\[[^\]]*\]", "", path).strip(".").split(".")
    if names[0] == "metadata":
        if len(names) > 1 and names[1] not in _METADATA:
            yield f"{path}: metadata has no {names[1]}"
        return
    for name in names:
        schema = _inner(schema)
        below = schema.get("properties", {})
        if not below:
            return  # a map, or a field of any form
        if name not in below:
            yield f"{path}: {kind} has no {name}"
            return
        schema = below[name]


def _inner(schema: Schema) -> Schema:
    while schema.get("type") == "array":
        schema = schema["items"]
    return schema
