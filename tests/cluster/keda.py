"""KEDA as host processes, beside an API server alone or beside the whole cluster.

KEDA's own manifests give it its rights: each process is the account of KEDA's pods. Beside an API
server alone it comes with the controllers that it needs, and nothing runs containers: pods exist
as objects, and whoever uses this plays their kubelet.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.cluster import (
    apiserver,
    binaries,
    controlplane,
    objects,
    preflight,
    processes,
    settings,
)
from tests.cluster.binaries import Binaries
from tests.cluster.controlplane import http_ready, https_ready
from tests.cluster.groups import ETCD, KEDA, KUBERNETES
from tests.cluster.objects import Kubectl, Manifest
from tests.cluster.pki import Authority
from tests.cluster.processes import Part
from tests.cluster.progress import step
from tests.cluster.settings import Layout

NAMESPACE = "keda"
#: The account of the pods of all three of KEDA's Deployments.
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:keda-operator"
METRICS_API = "v1beta1.external.metrics.k8s.io"
SCALED_OBJECTS = "scaledobjects.keda.sh"
#: What scales Deployments, makes their pods, and deletes what belongs to nobody.
CONTROLLERS = (
    "horizontal-pod-autoscaler-controller",
    "deployment-controller",
    "replicaset-controller",
    "garbage-collector-controller",
)
#: Added to the port of the API server. Beside the whole cluster these are no ports of its parts,
#: nor of an API server alone, whose port others may move by hundreds.
FIRST_PORT = 2500
PORTS = (
    "controllers",
    "health",
    "scalers",
    "adapter",
    "adapter-metrics",
    "webhooks",
    "webhooks-health",
)


def port(layout: Layout, of: str) -> int:
    """The port of a part on 127.0.0.1; each API server has its own."""
    return layout.api_port + FIRST_PORT + PORTS.index(of)


def up() -> Path:
    """Start the API server of `apiserver_layout` with KEDA; returns the kubeconfig."""
    kubeconfig = apiserver.up_alone()
    layout = settings.apiserver_layout()
    with processes.locked(layout):
        _start(layout, alone=True)
    return kubeconfig


def join() -> None:
    """Start KEDA beside the whole cluster, which runs."""
    layout = settings.cluster_layout()
    with processes.locked(layout):
        _start(layout, alone=False)


def leave() -> None:
    """Stop KEDA beside the whole cluster, which keeps its CRDs.

    An API without a server would keep namespaces from being deleted.
    """
    layout = settings.cluster_layout()
    with processes.locked(layout):
        built = binaries.ensure((KEDA,), compiled=())
        kubectl = Kubectl(built.path("kubectl"), layout.kubeconfig)
        registered = objects.read([built.manifest(KEDA, "api"), built.manifest(KEDA, "webhooks")])
        for each in registered:
            name = f"{each['kind'].lower()}/{each['metadata']['name']}"
            kubectl("delete", name, "--ignore-not-found")
        mine = {name for name, _ in KEDA.commands}
        found = processes.running(layout.state)
        processes.stop([process for process in found if process.executable in mine])


def _start(layout: Layout, *, alone: bool) -> None:
    preflight.check(binaries.is_cold((KEDA,)), with_node=False)
    built = binaries.ensure((ETCD, KUBERNETES, KEDA))
    kubectl = Kubectl(built.path("kubectl"), layout.kubeconfig)
    kubectl.apply_files(built.manifests(KEDA, "crds"))
    kubectl.wait_served((SCALED_OBJECTS,))
    kubectl.apply_files(built.manifests(KEDA, "system"))
    controllers = (_controllers(layout, built),) if alone else ()
    parts = (*controllers, *_parts(layout, built))
    for part in parts:
        processes.start(layout, part)
    for part in parts:
        processes.wait_ready(layout, part)
    authority = Authority(layout.pki).certificate.read_bytes()
    documents = objects.read([built.manifest(KEDA, "api"), built.manifest(KEDA, "webhooks")])
    kubectl.apply(objects.dump(rewrite(documents, layout, authority)))
    with step("KEDA's metrics served"):
        kubectl("wait", "--for=condition=Available", f"apiservice/{METRICS_API}", "--timeout=90s")


def definition(name: str) -> Manifest:
    """One of KEDA's CRDs; nothing is compiled for it."""
    crds = binaries.ensure((KEDA,), compiled=()).manifests(KEDA, "crds")
    (found,) = (crd for crd in objects.read(crds) if crd["metadata"]["name"] == name)
    return found


def rewrite(documents: Iterable[Manifest], layout: Layout, authority: bytes) -> list[Manifest]:
    """KEDA's API and webhooks, changed so that the API server finds them on this host."""
    changed = []
    for manifest in documents:
        if manifest["kind"] == "APIService":
            service = manifest["spec"]["service"]
            changed += aggregated(
                manifest, str(service["name"]), port(layout, "adapter"), authority
            )
        else:
            objects.call_at(manifest, f"https://127.0.0.1:{port(layout, 'webhooks')}", authority)
            changed.append(manifest)
    return changed


def aggregated(api: Manifest, name: str, at: int, authority: bytes) -> list[Manifest]:
    """An APIService that a host process serves at a port, and its Service.

    The name of the host takes the place of a cluster IP, to which no kube-proxy would lead.
    """
    metadata = {"name": name, "namespace": NAMESPACE}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }
    spec = {
        **api["spec"],
        "service": {**metadata, "port": at},
        "caBundle": base64.b64encode(authority).decode(),
    }
    return [service, {**api, "spec": spec}]


def host_of(name: str) -> str:
    """The name that the API server expects in the certificate behind an APIService."""
    return f"{name}.{NAMESPACE}.svc"


def _controllers(layout: Layout, built: Binaries) -> Part:
    return controlplane.controller_manager(layout, built, port(layout, "controllers"), CONTROLLERS)


def _parts(layout: Layout, built: Binaries) -> Sequence[Part]:
    authority, folder = Authority(layout.pki), layout.state / "keda"
    kubeconfig = authority.kubeconfig(layout.state / "keda.kubeconfig", layout.api_url, ACCOUNT)
    _certificates(authority, folder)
    environment = {
        "KUBECONFIG": str(kubeconfig),
        "POD_NAMESPACE": NAMESPACE,
        # In a pod it is read from a file of the service account.
        "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE,
        "WATCH_NAMESPACE": "",
    }
    return (
        _operator(layout, built, folder, environment),
        _adapter(layout, built, folder, environment),
        _webhooks(layout, built, folder, environment),
    )


def _certificates(authority: Authority, folder: Path) -> None:
    """One certificate for the three, in the files that KEDA would write itself."""
    certificate, key = authority.issue(
        "keda", "keda", hosts=("127.0.0.1", "localhost", host_of("keda-metrics-apiserver"))
    )
    folder.mkdir(parents=True, exist_ok=True)
    for source, name in (
        (authority.certificate, "ca.crt"), (certificate, "tls.crt"), (key, "tls.key")
    ):  # fmt: skip
        shutil.copyfile(source, folder / name)


def _operator(layout: Layout, built: Binaries, folder: Path, environment: dict[str, str]) -> Part:
    health = f"127.0.0.1:{port(layout, 'health')}"
    return Part(
        "keda-operator",
        [
            str(built.path("keda-operator")),
            "--enable-prometheus-metrics=false",
            f"--health-probe-bind-address={health}",
            f"--metrics-service-bind-address=127.0.0.1:{port(layout, 'scalers')}",
            f"--cert-dir={folder}",
            "--zap-encoder=console",
        ],
        http_ready(f"http://{health}/readyz"),
        environment,
    )


def _adapter(layout: Layout, built: Binaries, folder: Path, environment: dict[str, str]) -> Part:
    kubeconfig = environment["KUBECONFIG"]
    return Part(
        "keda-adapter",
        [
            str(built.path("keda-adapter")),
            f"--lister-kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--metrics-service-address=127.0.0.1:{port(layout, 'scalers')}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port(layout, 'adapter')}",
            f"--port={port(layout, 'adapter-metrics')}",
            f"--cert-dir={folder}",
            f"--tls-cert-file={folder / 'tls.crt'}",
            f"--tls-private-key-file={folder / 'tls.key'}",
            f"--client-ca-file={folder / 'ca.crt'}",
        ],
        https_ready(layout, f"https://127.0.0.1:{port(layout, 'adapter')}/readyz"),
        environment,
    )


def _webhooks(layout: Layout, built: Binaries, folder: Path, environment: dict[str, str]) -> Part:
    health = f"127.0.0.1:{port(layout, 'webhooks-health')}"
    return Part(
        "keda-webhooks",
        [
            str(built.path("keda-webhooks")),
            "--metrics-bind-address=0",
            f"--health-probe-bind-address={health}",
            f"--port={port(layout, 'webhooks')}",
            f"--cert-dir={folder}",
            "--zap-encoder=console",
        ],
        http_ready(f"http://{health}/readyz"),
        environment,
    )
