"""Stops the cluster and checks that nothing remains."""

from __future__ import annotations

import contextlib
import shutil
import time

from tests.cluster import host, imagestore, leftovers, node, processes, settings
from tests.cluster.errors import ClusterError
from tests.cluster.progress import say, step
from tests.cluster.settings import Layout


def down() -> None:
    """Stop the cluster; raise ClusterError if anything of it remains."""
    layout = settings.cluster_layout()
    with processes.locked(layout):
        with step("stopped"):
            clear(layout)
        if left := leftovers.find(layout):
            lines = "\n".join(f"  {line}" for line in left[:40])
            raise ClusterError("down", f"still there:\n{lines}")
    say("nothing is left; binaries and images stay in " + str(layout.cache))


def clear(layout: Layout) -> None:
    """Stop all processes and remove all leftovers."""
    found = processes.running(layout.state)
    keep = {"etcd", "kube-apiserver", "containerd", "containerd-shim-runc-v2"}
    processes.stop([p for p in found if p.executable not in keep])
    leftovers.kill_pods()
    _drop_containers(layout)
    # The API server would wait for its clients, but its data is deleted anyway.
    processes.stop(processes.running(layout.state), seconds=2)
    host.restore_switches(layout)
    leftovers.remove(layout)
    root = node.image_store(layout) / "io.containerd.grpc.v1.cri"
    shutil.rmtree(root, ignore_errors=True)


def _drop_containers(layout: Layout) -> None:
    """Let a running containerd delete tasks and containers, because it knows their mounts.

    If none runs, the next `up` forgets the containers.
    """
    if not any(p.executable == "containerd" for p in processes.running(layout.state)):
        return
    with contextlib.suppress(ClusterError):
        deadline = time.monotonic() + 10
        while tasks := imagestore.ctr(layout, "tasks", "ls", "-q").split():
            with contextlib.suppress(ClusterError):
                imagestore.ctr(layout, "tasks", "delete", "--force", *tasks)
            if time.monotonic() > deadline:
                break
        if names := imagestore.ctr(layout, "containers", "ls", "-q").split():
            imagestore.ctr(layout, "containers", "rm", *names)
