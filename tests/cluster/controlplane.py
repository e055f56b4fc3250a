"""etcd and the Kubernetes control plane as host processes."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence

from tests.cluster import settings
from tests.cluster.binaries import Binaries
from tests.cluster.pki import Authority
from tests.cluster.processes import Part
from tests.cluster.settings import Layout


def https_ready(layout: Layout, url: str) -> Callable[[], str | None]:
    """A readiness test: `url` answers 200 to the administrator's certificate."""

    def probe() -> str | None:
        authority = Authority(layout.pki)
        try:
            context = ssl.create_default_context(cafile=str(authority.certificate))
            context.load_cert_chain(*authority.issue("admin", "admin", "system:masters"))
            # Checks the health of the process, whatever name its certificate has.
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            with urllib.request.urlopen(url, timeout=3, context=context):
                return None
        except (OSError, urllib.error.URLError) as error:
            return f"{url}: {error}"

    return probe


def http_ready(url: str) -> Callable[[], str | None]:
    """A readiness test: `url` answers 200."""

    def probe() -> str | None:
        try:
            with urllib.request.urlopen(url, timeout=3):
                return None
        except (OSError, urllib.error.URLError) as error:
            return f"{url}: {error}"

    return probe


def etcd(layout: Layout, binaries: Binaries) -> Part:
    """etcd without fsync: the data dies with the cluster, so nothing is at stake."""
    authority = Authority(layout.pki)
    certificate, key = authority.issue("etcd", "etcd", hosts=("127.0.0.1", "localhost"))
    client = f"https://127.0.0.1:{layout.etcd_port}"
    peer = f"http://127.0.0.1:{layout.etcd_port + 1}"
    return Part(
        "etcd",
        [
            str(binaries.path("etcd")),
            "--name=local",
            f"--data-dir={layout.state / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=local={peer}",
            "--client-cert-auth",
            f"--trusted-ca-file={authority.certificate}",
            f"--cert-file={certificate}",
            f"--key-file={key}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ],
        https_ready(layout, f"{client}/readyz"),
    )


#: A third of the API server's time went to Go's garbage collector. Here memory is cheaper than
#: CPU: collect when the heap is four times what is in use, or when it is large.
COLLECTOR = {"GOGC": "300", "GOMEMLIMIT": "6GiB"}


def apiserver(layout: Layout, binaries: Binaries, with_node: bool) -> Part:
    """kube-apiserver; without a node nothing creates service accounts or endpoints."""
    authority = Authority(layout.pki)
    address = settings.NODE_IP if with_node else "127.0.0.1"
    serving, serving_key = authority.issue(
        "apiserver",
        "kube-apiserver",
        hosts=(
            "127.0.0.1",
            address,
            settings.API_SERVICE_IP,
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            f"kubernetes.default.svc.{settings.DNS_DOMAIN}",
        ),
    )
    client, client_key = authority.issue("admin", "admin", "system:masters")
    proxy, proxy_key = authority.issue("front-proxy", "front-proxy-client")
    arguments = [
        str(binaries.path("kube-apiserver")),
        f"--advertise-address={address}",
        # Pods reach the API server at the bridge's address, people at 127.0.0.1.
        f"--bind-address={'0.0.0.0' if with_node else '127.0.0.1'}",
        f"--secure-port={layout.api_port}",
        f"--etcd-servers=https://127.0.0.1:{layout.etcd_port}",
        f"--etcd-cafile={authority.certificate}",
        f"--etcd-certfile={client}",
        f"--etcd-keyfile={client_key}",
        f"--client-ca-file={authority.certificate}",
        f"--tls-cert-file={serving}",
        f"--tls-private-key-file={serving_key}",
        f"--kubelet-certificate-authority={authority.certificate}",
        f"--kubelet-client-certificate={client}",
        f"--kubelet-client-key={client_key}",
        "--kubelet-preferred-address-types=InternalIP",
        "--authorization-mode=Node,RBAC",
        f"--enable-admission-plugins={','.join(_plugins(with_node))}",
        f"--requestheader-client-ca-file={authority.certificate}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={proxy}",
        f"--proxy-client-key-file={proxy_key}",
        f"--service-account-issuer=https://kubernetes.default.svc.{settings.DNS_DOMAIN}",
        f"--service-account-key-file={authority.service_account_key}",
        f"--service-account-signing-key-file={authority.service_account_key}",
        f"--service-cluster-ip-range={settings.SERVICE_CIDR}",
        "--allow-privileged=true",
        "--profiling=false",
        *_audit(layout),
    ]
    if not with_node:
        arguments += [
            "--disable-admission-plugins=ServiceAccount",
            "--endpoint-reconciler-type=none",
        ]
    ready = https_ready(layout, f"{layout.api_url}/readyz")
    return Part("kube-apiserver", arguments, ready, COLLECTOR)


def _audit(layout: Layout) -> list[str]:
    """The audit log of the operator's requests, which tests compare with its rights."""
    return [
        f"--audit-policy-file={settings.MANIFESTS / 'audit.yaml'}",
        f"--audit-log-path={layout.audit_log}",
        f"--audit-log-maxsize={settings.AUDIT_MEGABYTES}",
    ]


def _plugins(with_node: bool) -> list[str]:
    """Admission plugins in addition to the default ones."""
    if with_node:
        return ["NodeRestriction"]
    # Some clusters enable it: a blocking owner reference then requires rights on the owner.
    return ["NodeRestriction", "OwnerReferencesPermissionEnforcement"]


def admin_kubeconfig(layout: Layout) -> None:
    """The kubeconfig that people and tests use."""
    Authority(layout.pki).kubeconfig(
        layout.kubeconfig, layout.api_url, "kubernetes-admin", "system:masters"
    )


def controller_manager(
    layout: Layout,
    binaries: Binaries,
    port: int = settings.CONTROLLER_MANAGER_PORT,
    controllers: Sequence[str] = ("*",),
) -> Part:
    """kube-controller-manager with the named controllers, by default all."""
    authority = Authority(layout.pki)
    kubeconfig = authority.kubeconfig(
        layout.state / "controller-manager.kubeconfig",
        layout.api_url,
        "system:kube-controller-manager",
    )
    return Part(
        "kube-controller-manager",
        [
            str(binaries.path("kube-controller-manager")),
            *_common(str(kubeconfig), port),
            f"--controllers={','.join(controllers)}",
            "--use-service-account-credentials",
            f"--service-account-private-key-file={authority.service_account_key}",
            f"--root-ca-file={authority.certificate}",
            f"--cluster-signing-cert-file={authority.certificate}",
            f"--cluster-signing-key-file={authority.key}",
            f"--cert-dir={layout.pki / 'controller-manager'}",
            # Autoscalers react in seconds, so that tests need not wait for minutes.
            "--horizontal-pod-autoscaler-sync-period=5s",
            "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
            "--horizontal-pod-autoscaler-cpu-initialization-period=10s",
        ],
        https_ready(layout, f"https://127.0.0.1:{port}/healthz"),
    )


def scheduler(layout: Layout, binaries: Binaries) -> Part:
    """kube-scheduler."""
    kubeconfig = Authority(layout.pki).kubeconfig(
        layout.state / "scheduler.kubeconfig", layout.api_url, "system:kube-scheduler"
    )
    port = settings.SCHEDULER_PORT
    return Part(
        "kube-scheduler",
        [
            str(binaries.path("kube-scheduler")),
            *_common(str(kubeconfig), port),
            f"--cert-dir={layout.pki / 'scheduler'}",
        ],
        https_ready(layout, f"https://127.0.0.1:{port}/healthz"),
    )


def _common(kubeconfig: str, port: int) -> list[str]:
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--leader-elect=false",
        "--profiling=false",
    ]
