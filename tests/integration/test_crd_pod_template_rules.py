"""A real API server judges where pods run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from recommender_operator.api import pod_scheduling
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


def near(**requirement: Any) -> Json:
    selector = {"matchExpressions": [{"key": "app", **requirement}]}
    term = {"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"}
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                                             [term]}}}  # fmt: skip


#: A DNS subdomain of 253 characters.
LONG = ".".join(["a" * 62] * 4) + ".b"


@pytest.mark.parametrize("section", ["training", "serving"])
def test_everything_that_places_pods_is_accepted(server: Server, section: str) -> None:
    placed: Json = {
        "nodeSelector": {"cloud.google.com/gke-nodepool": "gpu"},
        "tolerations": [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30},
            {"key": "team", "operator": "Equal", "value": "web"},
        ],
        **near(operator="In", values=["x"]),
        "serviceAccountName": "trainer",
        "priorityClassName": "batch",
    }
    marks = {
        "labels": {"azure.workload.identity/use": "true", "team": "web", "my-istio.io/x": "y"},
        "annotations": {
            "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
            f"{LONG}/cost": "a b",
        },
    }
    body = changed(f"{section}.podTemplate", {"metadata": marks, "spec": placed})
    body["metadata"]["name"] = "placed"
    created = server.create(body, dry_run="All", field_validation="Strict")
    found = RecommenderModelSpec.model_validate(created["spec"])
    assert found == RecommenderModelSpec.model_validate(body["spec"])
    assert created["spec"] == found.dump()
    for template in (found.training.pod_template, found.serving.pod_template):
        assert pod_scheduling.refusal("podTemplate", template) == ""


@pytest.mark.parametrize("section", ["training", "serving"])
@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("labels", "k8s-app"),
        ("labels", "aadpodidbinding"),
        ("labels", "app.kubernetes.io/name"),
        ("annotations", "iam.amazonaws.com/role"),
        ("annotations", "azure.workload.identity/inject-proxy-sidecar"),
        *(
            (field, key)
            for field in ("labels", "annotations")
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
    body = changed(f"{section}.podTemplate", {"metadata": {field: {key: "x"}}})
    message = f"{field} has a key that is reserved"
    assert message in refusal(lambda: server.create(body, dry_run="All"))


@pytest.mark.parametrize("section", ["training", "serving"])
@pytest.mark.parametrize(
    ("part", "given", "message"),
    [
        ("metadata", {"labels": {"recommender.dev/model": "x"}}, "labels has a key that is re"),
        ("metadata", {"labels": {"app": "x"}}, "labels has a key that is reserved"),
        ("metadata", {"labels": {"a b": "x"}}, "labels must be label keys"),
        ("metadata", {"labels": {"team": "a b"}}, "labels.team"),
        (
            "metadata",
            {"annotations": {"sidecar.istio.io/inject": "true"}},
            "annotations has a key that is reserved",
        ),
        (
            "metadata",
            {"annotations": {"serving.kserve.io/autoscalerClass": "hpa"}},
            "annotations has a key that is reserved",
        ),
        ("metadata", {"annotations": {"a/b/c": "x"}}, "annotations must be label keys"),
        ("metadata", {"annotations": {"a..b/c": "x"}}, "annotations must be label keys"),
        ("metadata", {"labels": {"a-/c": "x"}}, "labels must be label keys"),
        ("spec", {"nodeSelector": {f"{'a.' * 160}b/c": "x"}}, "nodeSelector must be label keys"),
        ("spec", {"nodeSelector": {"a b": "x"}}, "nodeSelector must be label keys"),
        ("spec", {"priorityClassName": "system-node-critical"}, "must not be a class of the sys"),
        ("spec", {"serviceAccountName": "A"}, "serviceAccountName"),
        ("spec", {"tolerations": "all"}, "tolerations"),
        ("spec", {"tolerations": ["all"]}, "tolerations"),
        ("spec", {"affinity": []}, "affinity"),
    ],
)
def test_what_cannot_place_pods_is_rejected_with_its_field(
    server: Server, section: str, part: str, given: Json, message: str
) -> None:
    body = changed(f"{section}.podTemplate", {part: given})
    assert message in refusal(lambda: server.create(body, dry_run="All"))
