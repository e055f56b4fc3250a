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


#: A DNS subdomain of 253 characters.
LONG = ".".join(["a" * 62] * 4) + ".b"


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
        "podLabels": {"azure.workload.identity/use": "true", "team": "web", "my-istio.io/x": "y"},
        "podAnnotations": {
            "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
            f"{LONG}/cost": "a b",
        },
    }
    body = changed(f"{section}.scheduling", scheduling)
    body["metadata"]["name"] = "placed"
    created = server.create(body, dry_run="All", field_validation="Strict")
    found = RecommenderModelSpec.model_validate(created["spec"])
    assert found == RecommenderModelSpec.model_validate(body["spec"])
    assert created["spec"] == found.dump()


@pytest.mark.parametrize("section", ["training", "serving"])
@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("podLabels", "k8s-app"),
        ("podLabels", "aadpodidbinding"),
        ("podLabels", "app.kubernetes.io/name"),
        ("podAnnotations", "iam.amazonaws.com/role"),
        ("podAnnotations", "azure.workload.identity/inject-proxy-sidecar"),
        *(
            (field, key)
            for field in ("podLabels", "podAnnotations")
            for key in (
                "ambient.istio.io/redirection",
                "istio.io/rev",
                "cni.projectcalico.org/ipAddrs",
                "k8s.ovn.org/routing-namespaces",
                "v1.multus-cni.io/default-network",
                "new.serving.knative.dev/x",
                "viz.linkerd.io/x",
                "vault.security.banzaicloud.io/vault-addr",
                "admission.datadoghq.com/enabled",
                "sidecar.jaegertracing.io/inject",
            )
        ),
    ],
)
def test_keys_that_controllers_of_a_cluster_read_are_reserved(
    server: Server, section: str, field: str, key: str
) -> None:
    body = changed(f"{section}.scheduling", {field: {key: "x"}})
    message = f"{field} has a key that is reserved"
    assert message in refusal(lambda: server.create(body, dry_run="All"))


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
        ({"podAnnotations": {"a..b/c": "x"}}, "podAnnotations must be label keys"),
        ({"podLabels": {"a-/c": "x"}}, "podLabels must be label keys"),
        ({"nodeSelector": {f"{'a.' * 160}b/c": "x"}}, "nodeSelector must be label keys"),
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
