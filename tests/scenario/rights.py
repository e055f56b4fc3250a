"""The RBAC rights of the operator's account in the cluster, and those that are rarely used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.cluster.api import Cluster
from tests.scenario.audit import Right

_DEV = "recommender.dev"
_TRAINER = "trainer.kubeflow.org"
#: Rights that the end-to-end tests may not use, and when the operator uses them. Integration tests
#: use nearly all of them (`tests/integration/test_rights_used.py`).
SELDOM: dict[Right, str] = {
    Right("", "events", "patch"): "an Event that is repeated after ten minutes is counted",
    Right(_DEV, "modelversions", "get"): "a status write has a conflict, or the name exists",
    Right(_DEV, "modelversions", "delete"): "a version exceeds the history limit",
    Right(_DEV, "modelversions", "patch"): "a version that lost its owner is adopted",
    Right(_DEV, "counterbaselines", "get"): "the name of a baseline exists",
    Right("policy", "poddisruptionbudgets", "get"): "a budget meets a conflict",
    Right("networking.k8s.io", "networkpolicies", "get"): "a policy meets a conflict",
    Right("autoscaling", "horizontalpodautoscalers", "get"): "an autoscaler meets a conflict",
    Right("serving.knative.dev", "revisions", "get"): "a cache does not know an older pod",
    Right("batch", "jobs", "get"): "the name of a Job exists",
    Right(
        "batch", "jobs", "delete"
    ): "a snapshot is stopped because its model and data are deleted",
    Right("gateway.networking.k8s.io", "httproutes", "delete"): "no version can serve",
    Right(_TRAINER, "trainjobs", "get"): "before a training with several workers is deleted",
    Right(_TRAINER, "trainjobs", "delete"): "the spec of a training with several workers changes",
    Right(_TRAINER, "trainingruntimes", "get"): "with its TrainJob",
    Right(_TRAINER, "trainingruntimes", "delete"): "with its TrainJob",
}


def rules_of(cluster: Cluster, namespace: str, account: str) -> list[dict[str, Any]]:
    """Return the rules of all roles that are bound to a ServiceAccount."""
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    rules: list[dict[str, Any]] = []
    for kind in ("clusterrolebindings", "rolebindings"):
        bindings = json.loads(cluster.kubectl("get", kind, "-A", "-o", "json"))["items"]
        for binding in bindings:
            if any(_is(subject, found) for found in binding.get("subjects") or []):
                rules += _rules(cluster, binding)
    return rules


def _is(wanted: Mapping[str, str], found: Mapping[str, str]) -> bool:
    return all(found.get(key) == value for key, value in wanted.items())


def _rules(cluster: Cluster, binding: Mapping[str, Any]) -> list[dict[str, Any]]:
    role = binding["roleRef"]
    where = ("-n", binding["metadata"].get("namespace", "default"))
    found = cluster.kubectl(*where, "get", role["kind"].lower(), role["name"], "-o", "json")
    rules: list[dict[str, Any]] = json.loads(found)["rules"]
    return rules
