"""Who reaches Triton: its protocols know no users, and would answer every pod of the cluster."""

from __future__ import annotations

import hashlib
import json

from recommender_operator.resources import labels
from recommender_operator.resources.labels import Component, Manifest
from recommender_operator.resources.options import Options
from recommender_operator.resources.serving_containers import TRITON_GRPC_PORT

TRITON_METRICS_PORT = 8002


def policy(model: str, version: str, service: Manifest, options: Options) -> Manifest:
    """Return the NetworkPolicy of a version's Triton pods in Gateway mode.

    The transformers of the same version call the models, and `options.metrics_from` reads the
    metrics; all else is refused, above all port 8000. Policies do not apply to the kubelet, whose
    probes come from the node. `service` is the InferenceService as stored, which owns the policy.
    """
    metadata = service["metadata"]
    spec = {
        "podSelector": {"matchLabels": labels.of_component(model, version, Component.PREDICTOR)},
        "policyTypes": ["Ingress"],
        "ingress": _ingress(model, version, options),
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": name(version),
            "namespace": metadata["namespace"],
            "labels": labels.of_version(model, version),
            "annotations": {labels.POLICY_DIGEST: digest(options)},
            "ownerReferences": labels.owned_by_service(service),
        },
        "spec": spec,
    }


def name(version: str) -> str:
    """Return the name of a version's policy."""
    return f"{version}-{Component.PREDICTOR}"


def digest(options: Options) -> str:
    """Return a short digest of the rules, the same for every version."""
    text = json.dumps(_ingress("", "", options), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_current(policy: Manifest, options: Options) -> bool:
    """Return whether a stored policy has the rules of these options."""
    found = (policy["metadata"].get("annotations") or {}).get(labels.POLICY_DIGEST)
    return bool(found == digest(options))


def _ingress(model: str, version: str, options: Options) -> list[Manifest]:
    own = {"matchLabels": labels.of_component(model, version, Component.TRANSFORMER)}
    rules: list[Manifest] = [{"from": [{"podSelector": own}], "ports": [_tcp(TRITON_GRPC_PORT)]}]
    # A rule without `from` admits everybody.
    if options.metrics_from:
        metrics = {"from": list(options.metrics_from), "ports": [_tcp(TRITON_METRICS_PORT)]}
        rules.append(metrics)
    return rules


def _tcp(port: int) -> Manifest:
    return {"protocol": "TCP", "port": port}
