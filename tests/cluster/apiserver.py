"""etcd and kube-apiserver: the base of the cluster, and the server of integration tests."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.cluster import binaries, controlplane, preflight, processes, settings
from tests.cluster.binaries import Binaries
from tests.cluster.groups import APISERVER_ONLY, ETCD, KUBERNETES
from tests.cluster.pki import Authority
from tests.cluster.settings import Layout


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


def down_alone() -> None:
    """Stop the API server of integration tests and delete its data."""
    layout = settings.apiserver_layout()
    with processes.locked(layout):
        processes.stop(processes.running(layout.state), seconds=2)
        shutil.rmtree(layout.state, ignore_errors=True)
