"""metrics-server: its registration with the API server."""

from __future__ import annotations

import base64

from tests.cluster import groups, metrics, settings


def test_the_api_is_served_by_the_process_on_the_node() -> None:
    service, endpoints, api = metrics.manifests(b"CA")
    assert api["metadata"]["name"] == f"{api['spec']['version']}.{api['spec']['group']}"
    assert api["spec"]["service"] == service["metadata"]
    assert base64.b64decode(api["spec"]["caBundle"]) == b"CA"
    (port,) = endpoints["ports"]
    assert (endpoints["endpoints"], port["port"]) == (
        [{"addresses": [settings.NODE_IP]}], settings.METRICS_PORT,
    )  # fmt: skip
    assert endpoints["metadata"]["labels"]["kubernetes.io/service-name"] == metrics.NAME
    assert service["spec"]["ports"][0]["targetPort"] == settings.METRICS_PORT


def test_it_is_built_only_when_asked_for() -> None:
    assert groups.METRICS not in groups.cluster_groups(groups.DEFAULT)
    assert groups.METRICS in groups.cluster_groups(groups.EVERYTHING)
