"""The API of the test cluster for tests and the demo.

cluster = api.ensure_up(Extras(knative=False))
cluster.kubectl("apply", "-f", "manifests/crd.yaml")
requests.get(cluster.gateway_url, headers={"Host": "my.example"})

kubeconfig = api.ensure_apiserver()   # only etcd and an API server, in seconds
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import apiserver, backends, imagestore, locks
from tests.cluster.backends import tool
from tests.cluster.errors import ClusterError
from tests.cluster.groups import APISERVER_ONLY, DEFAULT, Extras
from tests.cluster.objects import Kubectl

__all__ = [
    "ECHO_IMAGE",
    "Cluster",
    "ClusterError",
    "Gateway",
    "crd_paths",
    "ensure_apiserver",
    "ensure_up",
    "find_up",
    "kubectl_for",
    "stop_apiserver",
    "tool",
]

ECHO_IMAGE = imagestore.ECHO.name
"""A small server (HTTP/1.1, h2c, gRPC health) that says which pod and VARIANT answered."""

#: Commands of kubectl that pass through a kubelet.
IN_PODS = {"exec", "logs"}


@dataclass(frozen=True)
class Gateway:
    """A Gateway by namespace and name, and the base URL of its listener."""

    name: tuple[str, str]
    url: str


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    backend: backends.Backend
    beside: Gateway | None = None
    """A Gateway in the place of the cluster's own."""

    @property
    def kubeconfig(self) -> Path:
        return self.backend.kubeconfig()

    @property
    def gateway_url(self) -> str:
        return self.beside.url if self.beside else self.backend.url()

    @property
    def gateway(self) -> tuple[str, str]:
        """Namespace and name of the Gateway that HTTPRoutes attach to."""
        return self.beside.name if self.beside else self.backend.gateway()

    @property
    def prometheus_url(self) -> str:
        """A Prometheus server with the Gateway's counters, as pods reach it; empty without one."""
        return self.backend.prometheus()

    @property
    def pulls(self) -> bool:
        """Whether its nodes pull images from a registry; otherwise images are loaded into it."""
        return self.backend.pulls

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 300) -> str:
        """Run kubectl and return its output; ClusterError with its error message."""
        in_pod = not IN_PODS.isdisjoint(arguments)
        with locks.kubelet_used() if in_pod else contextlib.nullcontext():
            return kubectl_for(self.kubeconfig)(*arguments, stdin=stdin, timeout=timeout)

    def helm(self, *arguments: str, timeout: float = 600) -> str:
        """Run helm; returns its output."""
        result = subprocess.run(
            [tool("helm"), *arguments],
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if result.returncode != 0:
            raise ClusterError(f"helm {' '.join(arguments[:3])}", result.stderr.strip())
        return result.stdout

    def image_loaded(self, name: str) -> bool:
        return self.backend.image_loaded(name)

    def load_image(self, archive: Path, name: str) -> None:
        self.backend.load_image(archive, name)


def kubectl_for(kubeconfig: Path) -> Kubectl:
    """kubectl for any kubeconfig, such as the one of `ensure_apiserver`."""
    return Kubectl(tool("kubectl"), kubeconfig)


def ensure_up(extras: Extras = DEFAULT) -> Cluster:
    """Start the selected cluster unless it runs; the check takes a second."""
    backend = backends.selected()
    backend.up(extras)
    return Cluster(backend)


def find_up() -> Cluster | None:
    """Return the selected cluster if it runs; start nothing."""
    backend = backends.selected()
    _, ready = backend.status()
    return Cluster(backend) if ready else None


def ensure_apiserver() -> Path:
    """Start only etcd and kube-apiserver; returns the kubeconfig's path.

    It has separate ports and state, and needs no root if RECOMMENDER_STATE and RECOMMENDER_CACHE
    are writable. It has no controllers for Deployments or Jobs.
    """
    return apiserver.up_alone()


def stop_apiserver() -> None:
    """Stop the API server of `ensure_apiserver` and delete its data."""
    apiserver.down_alone()


def crd_paths() -> dict[str, list[Path]]:
    """CRD files by project: gateway, kserve, knative, jobset, trainer.

    Apply them with --server-side.
    """
    built = apiserver.alone_binaries()
    return {
        group.name: built.manifests(group, "crds") for group in APISERVER_ONLY if group.sources
    }
