"""The HTTPRoute that splits a model's requests between the Services of its versions."""

from __future__ import annotations

from collections.abc import Mapping

from recommender_operator.api import host_names
from recommender_operator.observed import ModelObject
from recommender_operator.resources import labels
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options

SERVICE_SUFFIX = "-transformer"
#: KServe maps the transformer's first port to port 80 of the Service, the others to themselves.
HTTP_PORT = 80
GRPC_PORT = 8081
#: What clients may call; nothing else is routed, above all not `/metrics`. Health is below `/v2`.
HTTP_PREFIXES = ("/v1", "/v2")
HTTP_PATHS = ("/docs", "/openapi.json")
#: Service of the open inference protocol, the only one of the transformer.
GRPC_PREFIX = "/inference.GRPCInferenceService"
#: Number of this layout: a release that changes it writes existing routes again.
LAYOUT = "2"


def service_name(version: str) -> str:
    """Return the Service that KServe creates for a transformer in Standard mode."""
    return f"{version}{SERVICE_SUFFIX}"


def http_route(
    model: ModelObject, weights: Mapping[str, int], options: Options, host: str = ""
) -> Manifest:
    """Return the route for a host; the default host if it is empty.

    A missing backend makes ResolvedRefs false even at weight 0, so the route lists only versions
    that receive requests.

    Raises:
        ValueError: the weights are not percentages that sum to 100.
    """
    if sum(weights.values()) != 100 or any(not 0 <= w <= 100 for w in weights.values()):
        raise ValueError(f"weights must be 0..100 and sum to 100, got {dict(weights)}")
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {
            "name": model.name,
            "namespace": model.namespace,
            "labels": labels.of_model(model.name),
            "annotations": {labels.LAYOUT: LAYOUT},
            "ownerReferences": labels.owned_by_model(model),
        },
        "spec": {
            "parentRefs": [_parent(options)],
            "hostnames": [host or host_names.default(model.name, model.namespace, options.domain)],
            "rules": [
                {
                    "matches": [_path("PathPrefix", GRPC_PREFIX)],
                    "backendRefs": _backends(weights, GRPC_PORT),
                },
                {
                    "matches": [
                        *(_path("PathPrefix", prefix) for prefix in HTTP_PREFIXES),
                        *(_path("Exact", path) for path in HTTP_PATHS),
                    ],
                    "backendRefs": _backends(weights, HTTP_PORT),
                },
            ],
        },
    }


def _parent(options: Options) -> Manifest:
    parent: Manifest = {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "name": options.gateway_name,
    }
    if options.gateway_namespace:
        parent["namespace"] = options.gateway_namespace
    if options.gateway_section:
        parent["sectionName"] = options.gateway_section
    return parent


def _path(kind: str, value: str) -> Manifest:
    return {"path": {"type": kind, "value": value}}


def _backends(weights: Mapping[str, int], port: int) -> list[Manifest]:
    return [
        {
            "group": "",
            "kind": "Service",
            "name": service_name(version),
            "port": port,
            "weight": weight,
        }
        for version, weight in sorted(weights.items())
        if weight > 0
    ]


def weights_of(route: Manifest) -> dict[str, int]:
    """Return the percent by version in a route (in its last rule)."""
    rules = route.get("spec", {}).get("rules") or [{}]
    weights: dict[str, int] = {}
    for backend in rules[-1].get("backendRefs") or []:
        name = str(backend.get("name", ""))
        if name.endswith(SERVICE_SUFFIX):
            weights[name.removesuffix(SERVICE_SUFFIX)] = int(backend.get("weight", 1))
    return weights


def is_current(route: Manifest) -> bool:
    """Return whether this release of the operator would route the same paths."""
    return bool((route["metadata"].get("annotations") or {}).get(labels.LAYOUT) == LAYOUT)
