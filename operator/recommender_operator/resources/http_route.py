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
GRPC_TYPES = ("application/grpc", "application/grpc+proto")


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
            "ownerReferences": labels.owned_by_model(model),
        },
        "spec": {
            "parentRefs": [_parent(options)],
            "hostnames": [host or host_names.default(model.name, model.namespace, options.domain)],
            "rules": [
                {
                    "matches": [_content_type(kind) for kind in GRPC_TYPES],
                    "backendRefs": _backends(weights, GRPC_PORT),
                },
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
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


def _content_type(value: str) -> Manifest:
    return {
        "path": {"type": "PathPrefix", "value": "/"},
        "headers": [{"type": "Exact", "name": "content-type", "value": value}],
    }


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
