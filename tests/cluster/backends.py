"""The backends of the cluster: this machine, kind, or an existing cluster.

CLUSTER=local|kind|existing selects one. The kind backend is untested, because it needs Docker.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Protocol

from tests.cluster import (
    apiserver,
    imagestore,
    local,
    metrics,
    prometheus,
    settings,
    teardown,
)
from tests.cluster.downloads import ensure_package_binaries
from tests.cluster.errors import ClusterError
from tests.cluster.groups import Extras


class Backend(Protocol):
    """The operations of a cluster for commands and tests."""

    @property
    def pulls(self) -> bool:
        """Whether its nodes pull images from a registry; else they are loaded into it."""
        ...

    def up(self, extras: Extras) -> None: ...
    def down(self) -> None: ...
    def status(self) -> tuple[str, bool]: ...
    def kubeconfig(self) -> Path: ...
    def url(self) -> str: ...
    def gateway(self) -> tuple[str, str]: ...
    def prometheus(self) -> str: ...
    def load_image(self, archive: Path, name: str) -> None: ...
    def image_loaded(self, name: str) -> bool: ...


class Local:
    """Kubernetes as host processes on this machine."""

    pulls = False

    def up(self, extras: Extras) -> None:
        local.up(extras)

    def down(self) -> None:
        teardown.down()
        apiserver.down_alone()  # that of the integration tests, kept for the next run

    def status(self) -> tuple[str, bool]:
        return local.status()

    def kubeconfig(self) -> Path:
        return settings.cluster_layout().kubeconfig

    def url(self) -> str:
        return local.gateway_url()

    def gateway(self) -> tuple[str, str]:
        return settings.GATEWAY

    def prometheus(self) -> str:
        return prometheus.url(settings.cluster_layout())

    def load_image(self, archive: Path, name: str) -> None:
        imagestore.load(settings.cluster_layout(), archive, name)

    def image_loaded(self, name: str) -> bool:
        return name in imagestore.stored(settings.cluster_layout())


class Existing:
    """The current context of your kubeconfig.

    Gateway API, a Gateway, KServe and, if needed, Knative, Kubeflow Trainer, JobSet and
    metrics-server must be installed there. GATEWAY_URL is the Gateway's URL, GATEWAY its
    namespace/name (default: that of the local cluster), IMAGE_REGISTRY the registry for images,
    PROMETHEUS_URL a Prometheus server, as pods reach it, that scrapes a Traefik as the Gateway.
    Nothing is started or stopped.
    """

    pulls = True

    def up(self, extras: Extras) -> None:
        required = ["httproutes.gateway.networking.k8s.io", "inferenceservices.serving.kserve.io"]
        if extras.knative:
            required.append("services.serving.knative.dev")
        if extras.trainer:
            required += ["trainjobs.trainer.kubeflow.org", "jobsets.jobset.x-k8s.io"]
        _command(tool("kubectl"), "get", "crd", *required)
        if extras.metrics:
            _command(tool("kubectl"), "get", "apiservice", metrics.API)
        if extras.prometheus and not self.prometheus():
            raise ClusterError(
                "prometheus",
                "set PROMETHEUS_URL to the base URL of a Prometheus that scrapes the Gateway",
            )

    def down(self) -> None:
        """Do nothing: an existing cluster does not change."""

    def status(self) -> tuple[str, bool]:
        return _command(tool("kubectl"), "cluster-info"), True

    def kubeconfig(self) -> Path:
        first = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
        return Path(first) if first else Path.home() / ".kube" / "config"

    def url(self) -> str:
        if given := os.environ.get("GATEWAY_URL"):
            return given.rstrip("/")
        raise ClusterError("url", "set GATEWAY_URL to the base URL of the cluster's Gateway")

    def gateway(self) -> tuple[str, str]:
        given = os.environ.get("GATEWAY", "/".join(settings.GATEWAY))
        namespace, _, name = given.partition("/")
        if not namespace or not name:
            raise ClusterError("GATEWAY", f"{given!r} is not the namespace/name of a Gateway")
        return namespace, name

    def prometheus(self) -> str:
        return os.environ.get("PROMETHEUS_URL", "").rstrip("/")

    def load_image(self, archive: Path, name: str) -> None:
        raise ClusterError(
            "load-image", f"push {name} ({archive}) to a registry that the cluster pulls from"
        )

    def image_loaded(self, name: str) -> bool:
        return True  # the cluster pulls it


class Kind(Existing):
    """A kind cluster named `recommender` (untested).

    This creates only the empty cluster; install Gateway API, KServe and Knative by their
    documentation, and set GATEWAY_URL to the Gateway's URL.
    """

    pulls = False

    def up(self, extras: Extras) -> None:
        if settings.NAME not in _command("kind", "get", "clusters").split():
            _command("kind", "create", "cluster", "--name", settings.NAME, "--wait", "120s")
        _command(tool("kubectl"), "config", "use-context", f"kind-{settings.NAME}")
        super().up(extras)

    def down(self) -> None:
        _command("kind", "delete", "cluster", "--name", settings.NAME)

    def load_image(self, archive: Path, name: str) -> None:
        _command("kind", "load", "image-archive", str(archive), "--name", settings.NAME)

    def image_loaded(self, name: str) -> bool:
        nodes = f"{settings.NAME}-control-plane"
        listing = _command("docker", "exec", nodes, "ctr", "-n", "k8s.io", "images", "ls", "-q")
        return name in listing.split()


def selected() -> Backend:
    """Return the backend that the environment selects."""
    backends: dict[str, type[Local] | type[Existing]] = {
        "local": Local,
        "kind": Kind,
        "existing": Existing,
    }
    name = os.environ.get("CLUSTER", "local")
    if name not in backends:
        raise ClusterError("CLUSTER", f"{name!r} must be one of {', '.join(backends)}")
    return backends[name]()


def tool(name: str) -> str:
    """Return kubectl or helm: from PATH for an existing cluster, else the pinned one."""
    found = None if isinstance(selected(), Local) else shutil.which(name)
    return found or str(ensure_package_binaries()[name])


def _command(*command: str) -> str:
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ClusterError(command[0], "not found; install it or use CLUSTER=local") from None
    if result.returncode != 0:
        raise ClusterError(" ".join(command), result.stderr.strip())
    return result.stdout
