"""NetworkPolicies: traffic from pods of models, and to Triton and the workers of a training.

Triton's protocols know no users, and would answer every pod of the cluster. The transformers run
graphs of a model's owner beside the history of users, and Jobs read all of the raw data, so none
may send what it knows to wherever it likes. The kubelet, whose probes come from the node and who
mounts claims, is not subject to policies.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from recommender_operator.observed import JobKind, ModelObject
from recommender_operator.resources import labels, secret_files
from recommender_operator.resources.labels import Component, Manifest
from recommender_operator.resources.options import Options
from recommender_operator.resources.serving_containers import (
    GRPC_PORT,
    HTTP_PORT,
    TRITON_GRPC_PORT,
)

TRITON_METRICS_PORT = 8002
REDIS_PORT = 6379
#: Port of the pods of the chart's collector that takes events.
COLLECTOR_PORT = 8080
#: Label of the pods of the chart's collector and of its store.
COLLECTOR = {"app.kubernetes.io/name": "recommender-collector"}
DNS: Manifest = {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}
_PORTS = {"http": 80, "https": 443, "redis": REDIS_PORT, "rediss": REDIS_PORT}


def policies(
    model: ModelObject, version: str, service: Manifest, options: Options
) -> tuple[Manifest, ...]:
    """Return the NetworkPolicies of a version in Gateway mode, by component.

    `service` is the InferenceService as stored, which owns them.
    """
    return tuple(
        policy(
            name(version, component),
            model.namespace,
            labels.of_version(model.name, version),
            labels.owned_by_service(service),
            {
                "podSelector": {
                    "matchLabels": labels.of_component(model.name, version, component)
                },
                **spec,
            },
            options,
        )
        for component, spec in (
            (Component.PREDICTOR, _triton(model.name, version, options)),
            (Component.TRANSFORMER, _transformer(model, version, options)),
        )
    )


def of_jobs(model: ModelObject, options: Options) -> Manifest:
    """Return the NetworkPolicy of a model's Jobs and workers, which the model owns.

    The workers of a training reach one another, and nobody else reaches them: torch.distributed
    knows no users either.
    """
    workers = {
        "podSelector": {
            "matchLabels": {**labels.of_model(model.name), labels.JOB_KIND: JobKind.TRAIN.value}
        }
    }
    return policy(
        f"{model.name}-jobs",
        model.namespace,
        labels.of_model(model.name),
        labels.owned_by_model(model),
        {
            "podSelector": {
                "matchLabels": labels.of_model(model.name),
                "matchExpressions": [{"key": labels.JOB_KIND, "operator": "Exists"}],
            },
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [workers]}],
            "egress": [DNS, {"to": [workers]}, *options.model_egress],
        },
        options,
    )


def policy(
    name: str,
    namespace: str,
    marks: Mapping[str, str],
    owners: list[Manifest],
    spec: Manifest,
    options: Options,
) -> Manifest:
    """Return a NetworkPolicy with the owners of the pods, whose digest tells of the options."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": marks,
            "annotations": {labels.POLICY_DIGEST: digest(options)},
            "ownerReferences": owners,
        },
        "spec": spec,
    }


def name(version: str, component: Component = Component.PREDICTOR) -> str:
    """Return the name of the policy of a version's component."""
    return f"{version}-{component}"


def digest(options: Options) -> str:
    """Return a short digest of the settings that rules depend on, the same for every model."""
    content = (
        options.metrics_from,
        options.model_egress,
        options.store_url,
        options.store_namespace,
        options.collector_url,
        options.tracing_endpoint,
    )
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def is_current(policy: Manifest, options: Options) -> bool:
    """Return whether a stored policy has the rules of these options."""
    found = (policy["metadata"].get("annotations") or {}).get(labels.POLICY_DIGEST)
    return bool(found == digest(options))


def _triton(model: str, version: str, options: Options) -> Manifest:
    """Return the rules of Triton: its transformers call the models, and it calls nobody."""
    own = {"matchLabels": labels.of_component(model, version, Component.TRANSFORMER)}
    rules: list[Manifest] = [{"from": [{"podSelector": own}], "ports": [tcp(TRITON_GRPC_PORT)]}]
    # A rule without `from` admits everybody.
    if options.metrics_from:
        rules.append(scraped(options))
    beyond = [DNS, *options.model_egress] if options.model_egress else []
    return {"policyTypes": ["Ingress", "Egress"], "ingress": rules, "egress": beyond}


def scraped(options: Options) -> Manifest:
    """Return the rule that lets Prometheus read the metrics of Triton."""
    return {"from": list(options.metrics_from), "ports": [tcp(TRITON_METRICS_PORT)]}


def _transformer(model: ModelObject, version: str, options: Options) -> Manifest:
    """Return the peers of a transformer: Triton, other versions, store, collector, traces.

    Whoever reaches the Gateway reaches a transformer, so no rule restricts its clients.
    """
    triton = {"matchLabels": labels.of_component(model.name, version, Component.PREDICTOR)}
    peers = {
        "matchLabels": {
            **labels.of_model(model.name),
            labels.COMPONENT: Component.TRANSFORMER.value,
        }
    }
    rules: list[Manifest] = [
        DNS,
        {"to": [{"podSelector": triton}], "ports": [tcp(TRITON_GRPC_PORT)]},
        {"to": [{"podSelector": peers}], "ports": [tcp(HTTP_PORT), tcp(GRPC_PORT)]},
    ]
    return {"policyTypes": ["Egress"], "egress": [*rules, *beyond(model, options)]}


def beyond(model: ModelObject, options: Options) -> list[Mapping[str, Any]]:
    """Return the rules for what is no part of the model: the store, the collector, traces."""
    rules: list[Mapping[str, Any]] = []
    if secret_files.reads_store(model, options):
        rules.append(_store(model, options.store_url))
    if options.collector_url and model.namespace == options.store_namespace:
        collector = {"podSelector": {"matchLabels": COLLECTOR}}
        rules.append({"to": [collector], "ports": [tcp(COLLECTOR_PORT)]})
    if options.tracing_endpoint:
        rules.append({"ports": [tcp(_port(options.tracing_endpoint))]})
    return [*rules, *options.model_egress]


def _store(model: ModelObject, url: str) -> Manifest:
    """Return the rule for the store: the chart's, or an external one, wherever that is."""
    ports = [tcp(_port(url))]
    if (urlsplit(url).hostname or "").endswith(f".{model.namespace}.svc"):
        return {"to": [{"podSelector": {"matchLabels": COLLECTOR}}], "ports": ports}
    return {"ports": ports}


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or _PORTS[parts.scheme]


def tcp(port: int) -> Manifest:
    """Return a TCP port of a rule."""
    return {"protocol": "TCP", "port": port}
