"""KEDA runs on the host: its registration with the API server, and where its parts listen."""

from __future__ import annotations

import base64
from pathlib import Path

from tests.cluster import groups, keda, settings
from tests.cluster.settings import Layout

LAYOUT = Layout(Path("/state"), Path("/cache"), api_port=17443, etcd_port=17379)
API = {
    "apiVersion": "apiregistration.k8s.io/v1",
    "kind": "APIService",
    "metadata": {"name": keda.METRICS_API},
    "spec": {
        "service": {"name": "keda-metrics-apiserver", "namespace": "keda"},
        "group": "external.metrics.k8s.io",
        "version": "v1beta1",
    },
}
WEBHOOKS = {
    "kind": "ValidatingWebhookConfiguration",
    "webhooks": [
        {
            "name": "vscaledobject.kb.io",
            "failurePolicy": "Ignore",
            "clientConfig": {"service": {"name": "keda-admission-webhooks", "path": "/validate"}},
        }
    ],
}


def test_the_api_server_finds_the_metrics_and_the_webhooks_on_this_host() -> None:
    service, api, webhooks = keda.rewrite([API, WEBHOOKS], LAYOUT, b"CA")
    assert service["spec"] == {"type": "ExternalName", "externalName": "localhost"}
    bundle = base64.b64encode(b"CA").decode()
    assert api["spec"]["caBundle"] == bundle
    port = keda.port(LAYOUT, "adapter")
    assert api["spec"]["service"] == {**service["metadata"], "port": port}
    assert api["spec"]["group"] == "external.metrics.k8s.io"
    (hook,) = webhooks["webhooks"]
    url = f"https://127.0.0.1:{keda.port(LAYOUT, 'webhooks')}/validate"
    assert hook["clientConfig"] == {"url": url, "caBundle": bundle}
    assert hook["failurePolicy"] == "Ignore"


def test_every_part_of_every_api_server_listens_at_a_port_of_its_own() -> None:
    beside = Layout(Path("/other"), Path("/cache"), api_port=17943, etcd_port=17879)
    ports = [keda.port(layout, of) for layout in (LAYOUT, beside) for of in keda.PORTS]
    assert len({*ports, LAYOUT.api_port, beside.api_port}) == 2 * len(keda.PORTS) + 2


def test_beside_the_whole_cluster_it_takes_no_port_of_its_parts() -> None:
    cluster = settings.cluster_layout()
    taken = {value for name, value in vars(settings).items() if name.endswith("_PORT")}
    taken |= {cluster.api_port, cluster.etcd_port}
    assert not taken & {keda.port(cluster, of) for of in keda.PORTS}


def test_no_cluster_and_no_api_server_of_other_tests_builds_it() -> None:
    assert groups.KEDA not in groups.cluster_groups(groups.EVERYTHING)
    assert groups.KEDA not in groups.APISERVER_ONLY
