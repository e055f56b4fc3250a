"""metrics-server as a host process: it tells autoscalers how much CPU and memory pods use."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path

from tests.cluster import objects, processes, settings
from tests.cluster.binaries import Binaries
from tests.cluster.controlplane import https_ready
from tests.cluster.objects import Kubectl, Manifest
from tests.cluster.pki import Authority
from tests.cluster.processes import Part
from tests.cluster.progress import step
from tests.cluster.settings import Layout

NAME = "metrics-server"
NAMESPACE = "kube-system"
API = "v1beta1.metrics.k8s.io"
#: The shortest that it accepts. An autoscaler sees a new load after two readings.
RESOLUTION = "10s"


def is_installed(layout: Layout) -> bool:
    """Whether this cluster was started with it."""
    return _stamp(layout).exists()


def _stamp(layout: Layout) -> Path:
    return layout.state / "with-metrics"


def install(layout: Layout, built: Binaries) -> None:
    """Start the process and let the API server pass requests on to it."""
    _stamp(layout).touch()
    kubectl = Kubectl(built.path("kubectl"), layout.kubeconfig)
    part = server(layout, built)
    processes.start(layout, part)
    processes.wait_ready(layout, part)
    *service, api = manifests(Authority(layout.pki).certificate.read_bytes())
    kubectl.apply(objects.dump(service))
    _wait_for_route(layout, kubectl, part)
    kubectl.apply(objects.dump([api]))
    with step("metrics served"):
        kubectl("wait", "--for=condition=Available", f"apiservice/{API}", "--timeout=90s")


def _wait_for_route(layout: Layout, kubectl: Kubectl, part: Part) -> None:
    """Wait until the Service's address leads to the process.

    The API server keeps its first connection to that address. If that one was made before
    kube-proxy knew the Service, something outside the cluster may answer it, for as long as it is
    kept.
    """
    address = kubectl(
        "-n", NAMESPACE, "get", "service", NAME, "-o", "jsonpath={.spec.clusterIP}"
    ).strip()
    routed = dataclasses.replace(part, ready=https_ready(layout, f"https://{address}/livez"))
    processes.wait_ready(layout, routed)


def server(layout: Layout, built: Binaries) -> Part:
    """The process; it reads the kubelet as an administrator, and the API server trusts it."""
    authority = Authority(layout.pki)
    kubeconfig = authority.kubeconfig(
        layout.state / "metrics.kubeconfig", layout.api_url, f"recommender:{NAME}",
        "system:masters",
    )  # fmt: skip
    certificate, key = authority.issue(
        "metrics", NAME, hosts=(f"{NAME}.{NAMESPACE}.svc", settings.NODE_IP)
    )
    client, client_key = authority.issue("admin", "admin", "system:masters")
    return Part(
        NAME,
        [
            str(built.path(NAME)),
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--bind-address={settings.NODE_IP}",
            f"--secure-port={settings.METRICS_PORT}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--kubelet-certificate-authority={authority.certificate}",
            f"--kubelet-client-certificate={client}",
            f"--kubelet-client-key={client_key}",
            "--kubelet-preferred-address-types=InternalIP",
            "--kubelet-use-node-status-port",
            f"--metric-resolution={RESOLUTION}",
            "--kubelet-request-timeout=5s",
        ],
        # Ready once it has read the kubelet twice.
        https_ready(layout, f"https://{settings.NODE_IP}:{settings.METRICS_PORT}/readyz"),
    )


def manifests(authority: bytes) -> list[Manifest]:
    """A Service whose only endpoint is the process, and the API behind it."""
    metadata = {"name": NAME, "namespace": NAMESPACE}
    port = {"name": "https", "port": settings.METRICS_PORT}
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**metadata, "labels": {"kubernetes.io/service-name": NAME}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [settings.NODE_IP]}],
        "ports": [port],
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"ports": [{"name": "https", "port": 443, "targetPort": settings.METRICS_PORT}]},
    }
    group, version = API.split(".", 1)[1], API.split(".", 1)[0]
    api: Manifest = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": API},
        "spec": {
            "group": group,
            "version": version,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": metadata,
            "caBundle": base64.b64encode(authority).decode(),
        },
    }
    return [service, slice_, api]
