"""Frees disk space that this checkout no longer uses."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.cluster import binaries, node, processes, settings
from tests.cluster.errors import ClusterError
from tests.cluster.groups import ENVOY, EVERYTHING, KEDA, KREW, cluster_groups
from tests.cluster.progress import say
from tests.cluster.versions import PACKAGES


def stale(present: set[Path], used: set[Path]) -> list[Path]:
    """Existing folders that are not used, in a stable order."""
    return sorted(present - used)


def prune(with_images: bool) -> None:
    """Delete old binaries and the Go build cache, and on request the image store."""
    layout = settings.cluster_layout()
    root = layout.cache / "bin"
    groups = (*cluster_groups(EVERYTHING), KEDA, ENVOY, KREW)
    used = {binaries.group_folder(group) for group in groups}
    packages = (*PACKAGES, *(package for group in groups for package in group.packages))
    used |= {root / "packages" / package.sha256[:16] for package in packages}
    for folder in stale(set(root.glob("*/*")), used):
        say(f"deleting {folder}")
        shutil.rmtree(folder, ignore_errors=True)
    if binaries.go_build_cache().exists():
        say(f"deleting {binaries.go_build_cache()}")
        shutil.rmtree(binaries.go_build_cache(), ignore_errors=True)
    if with_images:
        if processes.running(layout.state):
            raise ClusterError("prune", "the cluster uses the image store: run `down` first")
        say(f"deleting {node.image_store(layout)}")
        shutil.rmtree(node.image_store(layout), ignore_errors=True)
