"""Folders, addresses and ports of the local cluster.

None of the usual ports is used, so that the cluster can live beside another one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

NAME = "recommender"
HERE = Path(__file__).resolve().parent
GO_FOLDER = HERE / "go"
MANIFESTS = HERE / "manifests"
AUDIT_MEGABYTES = 64
"""Size at which an audit log is put aside."""

# The bridge of the pods; its own address is the node's address, which therefore does not
# change when the machine's network does.
BRIDGE = "recommender0"
NODE_IP = "10.203.0.1"
POD_CIDR = "10.203.0.0/16"
SERVICE_CIDR = "10.204.0.0/16"
API_SERVICE_IP = "10.204.0.1"
DNS_IP = "10.204.0.10"
GATEWAY = ("recommender-gateway", "recommender-gateway")
"""Namespace and name of the Gateway that HTTPRoutes attach to."""
DNS_DOMAIN = "cluster.local"
INGRESS_DOMAIN = "recommender.test"

CGROUP = "recommender-cluster"
CNI_NETWORK = "recommender"
CNI_PLUGINS = Path("/usr/lib/cni")
NAMESPACE = "k8s.io"  # containerd's namespace for Kubernetes

CONTROLLER_MANAGER_PORT = 16257
SCHEDULER_PORT = 16259
KUBELET_PORT = 16250
KUBELET_HEALTH_PORT = 16248
PROXY_HEALTH_PORT = 16256
PROXY_METRICS_PORT = 16249
GATEWAY_PORT = 18080
PRIVATE_PORT = 18081  # Knative's cluster-local traffic
TRAEFIK_PORT = 18082  # ping and metrics
KSERVE_WEBHOOK_PORT = 19443
KSERVE_METRICS_PORT = 19080
KSERVE_HEALTH_PORT = 19081
JOBSET_WEBHOOK_PORT = 19444
JOBSET_HEALTH_PORT = 19082
TRAINER_WEBHOOK_PORT = 19445
TRAINER_HEALTH_PORT = 19083
METRICS_PORT = 19446
PROMETHEUS_PORT = 19090
API_PORT = 17443
"""The API server of the integration tests; RECOMMENDER_PORT_OFFSET is added."""


@dataclass(frozen=True)
class Layout:
    """Where one set of processes keeps its state, and the ports of its API server."""

    state: Path
    cache: Path
    api_port: int
    etcd_port: int

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def audit_log(self) -> Path:
        """The audit log of requests by accounts of the operator's namespace."""
        return self.logs / "audit.log"

    @property
    def ready_stamp(self) -> Path:
        """The file with the key of the set-up, written when everything is up."""
        return self.state / "ready"

    @property
    def containerd_socket(self) -> Path:
        return self.state / "containerd" / "containerd.sock"

    @property
    def api_url(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"


def cache_folder() -> Path:
    """Binaries, images and the Go build cache: kept when the cluster goes down."""
    given = os.environ.get("RECOMMENDER_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "recommender-operator"


def state_folder() -> Path:
    """The folder that is deleted with the cluster."""
    given = os.environ.get("RECOMMENDER_STATE")
    if given:
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/recommender-cluster")
    return Path.home() / ".local" / "state" / "recommender-cluster"


def cluster_layout() -> Layout:
    """The whole cluster."""
    return Layout(state_folder(), cache_folder(), api_port=16443, etcd_port=12379)


def apiserver_layout() -> Layout:
    """Only etcd and an API server, beside the cluster, for integration tests.

    Checkouts that test at the same time each need their own RECOMMENDER_STATE and ports:
    RECOMMENDER_PORT_OFFSET moves them.
    """
    state = state_folder()
    offset = int(os.environ.get("RECOMMENDER_PORT_OFFSET", "0"))
    return Layout(
        state.with_name(state.name + "-apiserver"),
        cache_folder(),
        api_port=API_PORT + offset,
        etcd_port=17379 + offset,
    )
