"""The HTTPRoute that splits a model's requests between the Services of its versions."""

from __future__ import annotations

from collections.abc import Mapping

from recommender_contract.headers import (
    EXPERIMENT_HEADER,
    INTERLEAVING_HEADER,
    NOT_OF_CLIENTS,
    SHADOW_HEADER,
    TEST_HEADER,
)
from recommender_operator.api import host_names
from recommender_operator.observed import PLAIN, ModelObject, Routing
from recommender_operator.resources import assignment_header, baseline_deployment_names, labels
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
LAYOUT = "5"


def service_name(version: str) -> str:
    """Return the Service that KServe creates for a transformer in Standard mode."""
    return f"{version}{SERVICE_SUFFIX}"


def http_route(
    model: ModelObject,
    weights: Mapping[str, int],
    options: Options,
    host: str = "",
    routing: Routing = PLAIN,
) -> Manifest:
    """Return the route for a host; the default host if it is empty.

    A missing backend makes ResolvedRefs false even at weight 0, so the route lists only versions
    that receive requests. During an experiment all requests go to the stable version, whose
    transformers forward those of the candidate's users. A fresh deployment of the champion has a
    part of what the champion would get.

    Raises:
        ValueError: the weights are not percentages that sum to 100, or not those of the header, or
            the champion has too little for its fresh deployment.
    """
    if sum(weights.values()) != 100 or any(not 0 <= w <= 100 for w in weights.values()):
        raise ValueError(f"weights must be 0..100 and sum to 100, got {dict(weights)}")
    receivers = _shared(_receivers(weights, routing.experiment), routing)
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
                *(_rules({routing.tested: 100}, {}, routing.tester) if routing.tester else ()),
                *_rules(receivers, _set_by(routing), ""),
            ],
        },
    }


def _receivers(weights: Mapping[str, int], header: str) -> Mapping[str, int]:
    """Return the percent of the requests by version, for a header that assigns the users."""
    if not header:
        return weights
    users = assignment_header.parse(header)
    others = [version for version in weights if users and version != users.candidate]
    if (
        users is None
        or len(others) != 1
        or weights != {users.candidate: users.percent, others[0]: 100 - users.percent}
    ):
        raise ValueError(f"weights {dict(weights)} are not those of the header {header!r}")
    return {others[0]: 100}


def _shared(receivers: Mapping[str, int], routing: Routing) -> Mapping[str, int]:
    """Return the receivers with the champion's fresh deployment beside it, or in its place."""
    if not routing.fresh:
        return receivers
    champion, part = baseline_deployment_names.version_of(routing.fresh), routing.fresh_weight
    if not 0 < part <= receivers.get(champion, 0):
        raise ValueError(f"{champion} has no {part} % for {routing.fresh} of {dict(receivers)}")
    return {**receivers, champion: receivers[champion] - part, routing.fresh: part}


def _rules(receivers: Mapping[str, int], values: Mapping[str, str], tester: str) -> list[Manifest]:
    """Return the rules of gRPC and HTTP; those of testers are more specific than the others."""
    filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": _headers(values)}]
    grpc = [_match("PathPrefix", GRPC_PREFIX, tester)]
    http = [
        *(_match("PathPrefix", prefix, tester) for prefix in HTTP_PREFIXES),
        *(_match("Exact", path, tester) for path in HTTP_PATHS),
    ]
    return [
        {"matches": matches, "filters": filters, "backendRefs": _backends(receivers, port)}
        for matches, port in ((grpc, GRPC_PORT), (http, HTTP_PORT))
    ]


def _set_by(routing: Routing) -> dict[str, str]:
    """Return the headers that the route sets, by name."""
    values = {
        EXPERIMENT_HEADER: routing.experiment,
        SHADOW_HEADER: routing.shadow,
        INTERLEAVING_HEADER: routing.interleaving,
    }
    return {name: value for name, value in values.items() if value}


def _headers(values: Mapping[str, str]) -> Manifest:
    """Return the filters of headers that only the operator and its transformers may set."""
    removed = [name for name in NOT_OF_CLIENTS if name not in values]
    if not values:
        return {"remove": removed}
    given = [{"name": name, "value": value} for name, value in values.items()]
    return {"set": given, "remove": removed}


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


def _match(kind: str, value: str, tester: str) -> Manifest:
    match: Manifest = {"path": {"type": kind, "value": value}}
    if tester:
        match["headers"] = [{"type": "Exact", "name": TEST_HEADER, "value": tester}]
    return match


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
    """Return the percent by version in a route: of the users in an experiment, else of requests.

    It reads the last rule, which is not that of testers. What a fresh deployment gets is a part of
    its version's.
    """
    rule = _rules_of(route)[-1]
    weights: dict[str, int] = {}
    for deployment, weight in _receivers_in(rule).items():
        version = baseline_deployment_names.version_of(deployment)
        weights[version] = weights.get(version, 0) + weight
    users = assignment_header.parse(_set_in(rule, EXPERIMENT_HEADER))
    if users is None or len(weights) != 1 or users.candidate in weights:
        return weights
    return {next(iter(weights)): 100 - users.percent, users.candidate: users.percent}


def _receivers_in(rule: Manifest) -> dict[str, int]:
    """Return the weight by deployment in a rule."""
    return {
        str(backend["name"]).removesuffix(SERVICE_SUFFIX): int(backend.get("weight", 1))
        for backend in rule.get("backendRefs") or []
        if str(backend.get("name", "")).endswith(SERVICE_SUFFIX)
    }


def routing_of(route: Manifest) -> Routing:
    """Return how a route splits the requests, besides the weights."""
    rules = _rules_of(route)
    tester, tested = "", ""
    for rule in rules[:-1]:
        headers = [h for match in rule.get("matches") or [] for h in match.get("headers") or []]
        names = [str(backend.get("name", "")) for backend in rule.get("backendRefs") or []]
        if headers and names and headers[0].get("name") == TEST_HEADER:
            tester, tested = str(headers[0].get("value")), names[0].removesuffix(SERVICE_SUFFIX)
    receivers = _receivers_in(rules[-1])
    beside = next(filter(baseline_deployment_names.is_fresh, receivers), "")
    return Routing(
        experiment=_set_in(rules[-1], EXPERIMENT_HEADER),
        tester=tester,
        tested=tested,
        shadow=_set_in(rules[-1], SHADOW_HEADER),
        interleaving=_set_in(rules[-1], INTERLEAVING_HEADER),
        fresh=beside,
        fresh_weight=receivers.get(beside, 0),
    )


def _rules_of(route: Manifest) -> list[Manifest]:
    return route.get("spec", {}).get("rules") or [{}]


def _set_in(rule: Manifest, name: str) -> str:
    """Return the value of a header that a rule sets; empty if it does not set it."""
    for each in rule.get("filters") or []:
        for header in each.get("requestHeaderModifier", {}).get("set") or []:
            if str(header.get("name", "")).lower() == name:
                return str(header.get("value", ""))
    return ""


def is_current(route: Manifest) -> bool:
    """Return whether this release of the operator would route the same paths."""
    return bool((route["metadata"].get("annotations") or {}).get(labels.LAYOUT) == LAYOUT)
