"""etcd and kube-apiserver: the base of the cluster, and the server of integration tests."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.cluster import binaries, controlplane, preflight, processes, settings
from tests.cluster.binaries import Binaries
from tests.cluster.groups import APISERVER_ONLY, ETCD, KUBERNETES
from tests.cluster.pki import Authority
from tests.cluster.settings import Layout

#: Added to the port of the API server, for the garbage collector beside it.
GARBAGE_PORT = 2600


def start(layout: Layout, built: Binaries, with_node: bool) -> None:
    """etcd and kube-apiserver, ready, and the kubeconfig."""
    etcd = controlplane.etcd(layout, built)
    api = controlplane.apiserver(layout, built, with_node)
    processes.start(layout, etcd)
    processes.start(layout, api)  # it retries until etcd answers
    processes.wait_ready(layout, etcd)
    processes.wait_ready(layout, api)
    controlplane.admin_kubeconfig(layout)


def up_alone() -> Path:
    """Start only etcd and kube-apiserver, besides the cluster; return the kubeconfig."""
    layout = settings.apiserver_layout()
    with processes.locked(layout):
        preflight.check(binaries.is_cold((ETCD, KUBERNETES)), with_node=False)
        built = alone_binaries()
        if not processes.running(layout.state):
            shutil.rmtree(layout.state, ignore_errors=True)  # left by a killed process
        layout.state.mkdir(parents=True, exist_ok=True)
        Authority(layout.pki).prepare()
        start(layout, built, with_node=False)
    return layout.kubeconfig


def alone_binaries() -> Binaries:
    return binaries.ensure(APISERVER_ONLY, compiled=(ETCD, KUBERNETES))


@contextlib.contextmanager
def garbage_collection() -> Iterator[None]:
    """Run Kubernetes' own garbage collector beside the API server of integration tests."""
    layout = settings.apiserver_layout()
    part = controlplane.controller_manager(
        layout,
        alone_binaries(),
        layout.api_port + GARBAGE_PORT,
        ("garbage-collector-controller",),
    )
    with processes.locked(layout):
        processes.run_part(layout, part)
    try:
        yield
    finally:
        collectors = [p for p in processes.running(layout.state) if p.key == part.key]
        processes.stop(collectors, seconds=2)


def down_alone() -> None:
    """Stop the API server of integration tests and delete its data."""
    layout = settings.apiserver_layout()
    with processes.locked(layout):
        processes.stop(processes.running(layout.state), seconds=2)
        shutil.rmtree(layout.state, ignore_errors=True)
