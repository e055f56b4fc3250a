"""A real API server judges where pods run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from recommender_operator.api.spec import RecommenderModelSpec
from tests.integration.crd_rig import (
    Json,
    Server,
    changed,
    installed,
    refusal,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with installed() as server:
        yield server


def requiring(**requirement: Any) -> Json:
    term = {"matchExpressions": [{"key": "zone", **requirement}]}
    required = {"nodeSelectorTerms": [term]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                                          required}}}  # fmt: skip


def near(**requirement: Any) -> Json:
    selector = {"matchExpressions": [{"key": "app", **requirement}]}
    term = {"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"}
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                                             [term]}}}  # fmt: skip


@pytest.mark.parametrize("section", ["training", "serving"])
def test_everything_that_places_pods_is_accepted(server: Server, section: str) -> None:
    scheduling: Json = {
        "nodeSelector": {"cloud.google.com/gke-nodepool": "gpu"},
        "tolerations": [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30},
            {"key": "team", "operator": "Equal", "value": "web"},
        ],
        **near(operator="In", values=["x"]),
        "serviceAccountName": "trainer",
        "priorityClassName": "batch",
        "podLabels": {"azure.workload.identity/use": "true", "team": "web"},
        "podAnnotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
    }
    body = changed(f"{section}.scheduling", scheduling)
    body["metadata"]["name"] = "placed"
    created = server.create(body, dry_run="All", field_validation="Strict")
    found = RecommenderModelSpec.model_validate(created["spec"])
    assert found == RecommenderModelSpec.model_validate(body["spec"])
    assert created["spec"] == found.dump()


@pytest.mark.parametrize("section", ["training", "serving"])
@pytest.mark.parametrize(
    ("scheduling", "message"),
    [
        ({"podLabels": {"recommender.dev/model": "x"}}, "podLabels has a key that is reserved"),
        ({"podLabels": {"app": "x"}}, "podLabels has a key that is reserved"),
        ({"podLabels": {"a b": "x"}}, "podLabels must be label keys"),
        ({"podLabels": {"team": "a b"}}, "podLabels.team"),
        (
            {"podAnnotations": {"sidecar.istio.io/inject": "true"}},
            "podAnnotations has a key that is reserved",
        ),
        (
            {"podAnnotations": {"serving.kserve.io/autoscalerClass": "hpa"}},
            "podAnnotations has a key that is reserved",
        ),
        ({"podAnnotations": {"a/b/c": "x"}}, "podAnnotations must be label keys"),
        ({"nodeSelector": {"a b": "x"}}, "nodeSelector must be label keys"),
        ({"tolerations": [{"value": "x"}]}, "without a key requires the operator Exists"),
        (
            {"tolerations": [{"key": "a", "operator": "Exists", "value": "x"}]},
            "must not have a value",
        ),
        (
            {"tolerations": [{"key": "a", "tolerationSeconds": 3, "effect": "NoSchedule"}]},
            "requires the effect NoExecute",
        ),
        ({"priorityClassName": "system-node-critical"}, "must not be a class of the system"),
        ({"serviceAccountName": "A"}, "serviceAccountName"),
        (requiring(operator="In"), "at least one with In"),
        (requiring(operator="Exists", values=["a"]), "none with Exists"),
        (requiring(operator="Gt", values=["a"]), "require one integer"),
        (near(operator="NotIn"), "at least one with In"),
    ],
)
def test_what_cannot_place_pods_is_rejected_with_its_field(
    server: Server, section: str, scheduling: Json, message: str
) -> None:
    body = changed(f"{section}.scheduling", scheduling)
    assert message in refusal(lambda: server.create(body, dry_run="All"))
