"""Keys of labels and annotations that models may not set; the API server judges the CEL."""

from __future__ import annotations

import re

import pytest

from recommender_operator.api import rules_pod_template
from recommender_operator.api.rules_pod_template import (
    DOMAINS,
    OF_ANNOTATIONS,
    OF_LABELS,
    RESERVED,
    TAKEN,
    TAKEN_LABELS,
)


def reserved(key: str, *, label: bool) -> bool:
    """Return what the rule says of a key."""
    prefixes = (*RESERVED, *(OF_LABELS if label else OF_ANNOTATIONS))
    taken = (*TAKEN, *(TAKEN_LABELS if label else ()))
    domains = [f".{domain}/" for domain in DOMAINS]
    return key in taken or key.startswith(prefixes) or any(d in f".{key}" for d in domains)


@pytest.mark.parametrize(
    "key",
    [
        "recommender.dev/model",
        "serving.kserve.io/x",
        "internal.serving.kserve.io/x",
        "app",
        "app.kubernetes.io/managed-by",
        "istio.io/rev",
        "ambient.istio.io/redirection",
        "queue.sidecar.serving.knative.dev/x",
        "config.alpha.linkerd.io/x",
        "k8s.v1.cni.cncf.io/networks",
        "v1.multus-cni.io/default-network",
        "k8s.ovn.org/routing-namespaces",
        "cni.projectcalico.org/ipAddrs",
        "vault.hashicorp.com/agent-inject",
        "vault.security.banzaicloud.io/vault-addr",
        "admission.datadoghq.com/enabled",
        "sidecar.jaegertracing.io/inject",
        "instrumentation.opentelemetry.io/inject-java",
    ],
)
def test_keys_that_controllers_read_are_reserved(key: str) -> None:
    assert reserved(key, label=True)
    assert reserved(key, label=False)


def test_an_identity_is_reserved_where_it_is_read() -> None:
    for key in ("aadpodidbinding", "k8s-app", "app.kubernetes.io/name"):
        assert reserved(key, label=True)
    assert reserved("iam.amazonaws.com/role", label=False)
    assert reserved("azure.workload.identity/inject-proxy-sidecar", label=False)
    assert not reserved("azure.workload.identity/use", label=True)


@pytest.mark.parametrize("key", ["team", "example.com/istio.io", "my-istio.io/x", "istio.io"])
def test_other_keys_are_free(key: str) -> None:
    assert not reserved(key, label=True)
    assert not reserved(key, label=False)
    assert re.search(rules_pod_template.KEY, key)


@pytest.mark.parametrize("key", ["a..b/c", "a-/c", "a/b/c", ".a/c", "A.b/c", "a b", "", "a/"])
def test_the_prefix_of_a_key_is_a_dns_subdomain(key: str) -> None:
    assert re.search(rules_pod_template.KEY, key) is None
