"""Checks the machine, and reports everything that is missing in one message."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import downloads
from tests.cluster.binaries import go_version
from tests.cluster.errors import ClusterError
from tests.cluster.settings import cache_folder
from tests.cluster.versions import GO

BUILD_GIB = 14  # sources, the build cache and the results
WARM_GIB = 3


@dataclass(frozen=True)
class Machine:
    """The properties of the machine."""

    system: str
    architecture: str
    root: bool
    apt: bool
    go: str
    npm: bool
    npm_needed: bool
    free_gib: float
    cold: bool
    """Whether binaries have to be built first."""


def look(cold: bool) -> Machine:
    """Return the properties of this machine."""
    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    return Machine(
        system=platform.system(),
        architecture=platform.machine(),
        root=os.geteuid() == 0,
        apt=shutil.which("apt-get") is not None and Path("/etc/debian_version").exists(),
        go=go_version(),
        npm=downloads.npm_found(),
        npm_needed=downloads.npm_needed(),
        free_gib=shutil.disk_usage(folder).free / 2**30,
        cold=cold,
    )


def go_numbers(version: str) -> tuple[int, ...]:
    """go1.26.8 -> (1, 26, 8); a version without numbers is older than any other."""
    return tuple(int(number) for number in re.findall(r"\d+", version.partition(" ")[0]))


def missing(machine: Machine, with_node: bool) -> list[str]:
    """Return problems with remedies, one per line."""
    problems = []
    if (machine.system, machine.architecture) != ("Linux", "x86_64"):
        problems.append(
            f"this is {machine.system} on {machine.architecture}; the local cluster runs on "
            "Linux on x86_64: use CLUSTER=kind or CLUSTER=existing"
        )
    if with_node and not machine.root:
        problems.append("not root: run with sudo, or use CLUSTER=kind or CLUSTER=existing")
    if with_node and not machine.apt:
        problems.append(
            "not Debian, or no apt-get: the node's packages (containerd, runc, CNI plugins) "
            "come from Debian; use CLUSTER=kind or CLUSTER=existing"
        )
    if machine.cold and go_numbers(machine.go) < GO:
        found = machine.go or "none"
        wanted = ".".join(map(str, GO))
        problems.append(f"Go {wanted} or newer is required, found {found}: see https://go.dev/dl/")
    if machine.npm_needed and not machine.npm:
        problems.append(downloads.NO_NPM)
    need = BUILD_GIB if machine.cold else WARM_GIB
    if machine.free_gib < need:
        problems.append(
            f"{machine.free_gib:.1f} GiB of disk are free at {cache_folder()}, but {need} are "
            "required: free disk space, run `prune`, or set RECOMMENDER_CACHE to another disk"
        )
    return problems


def check(cold: bool, with_node: bool = True) -> None:
    """Raise one error that lists all problems."""
    if problems := missing(look(cold), with_node):
        raise ClusterError("preflight", message(problems))


def message(problems: Sequence[str]) -> str:
    """The problems as text."""
    lines = "\n".join(f"  - {problem}" for problem in problems)
    return f"this machine cannot run the local cluster yet:\n{lines}"
