"""Leftovers of a cluster on the machine: detection and removal."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.cluster import host, processes, settings
from tests.cluster.host import cgroup_folders
from tests.cluster.settings import Layout

CHAIN_PREFIXES = ("KUBE-", "CNI-")
#: Of sets of addresses that the chains of NetworkPolicies use.
SET_PREFIXES = ("KUBE-SRC-", "KUBE-DST-")
CNI_RESULTS = Path("/var/lib/cni/results")
LOG_LINKS = Path("/var/log/containers")


def mounts_below(mountinfo: str, folder: Path) -> list[str]:
    """Mount points below a folder, from /proc/self/mountinfo, deepest first."""
    points = [
        line.split()[4].replace("\\040", " ") for line in mountinfo.splitlines() if line.strip()
    ]
    inside = [p for p in points if p == str(folder) or p.startswith(f"{folder}/")]
    return sorted(inside, key=lambda point: (point.count("/"), point), reverse=True)


def without_our_rules(rules: str) -> str:
    """The output of iptables-save without our chains and the rules that jump to them."""
    kept = []
    for line in rules.splitlines():
        if line.startswith(":"):
            ours = line[1:].startswith(CHAIN_PREFIXES)
        else:
            ours = any(word.startswith(CHAIN_PREFIXES) for word in line.split())
        if not ours:
            kept.append(line)
    return "\n".join(kept) + "\n"


def our_rules(rules: str) -> list[str]:
    """The lines that `without_our_rules` drops."""
    kept = without_our_rules(rules).splitlines()
    return [line for line in rules.splitlines() if line not in kept]


def _mounts(layout: Layout) -> list[str]:
    return mounts_below(Path("/proc/self/mountinfo").read_text(), layout.state)


def _pod_processes() -> list[int]:
    pids: set[int] = set()
    for folder in cgroup_folders():
        # os.walk ignores folders that vanish during the walk; Path.rglob does not.
        for path, _, _ in os.walk(folder):
            with contextlib.suppress(OSError):
                pids.update(map(int, Path(path, "cgroup.procs").read_text().split()))
    return sorted(pids)


def _veths() -> list[str]:
    ports = Path(f"/sys/class/net/{settings.BRIDGE}/brif")
    return [port.name for port in ports.iterdir()] if ports.exists() else []


def _shim_sockets(layout: Layout) -> list[Path]:
    """containerd 1.6 always puts its shims' sockets below /run."""
    addresses = (layout.state / "containerd" / "run").glob("*runtime.v2.task/*/*/address")
    return [Path(path.read_text().removeprefix("unix://")) for path in addresses]


def our_sets(names: str) -> list[str]:
    """Return the names, of the output of `ipset list -n`, that are ours."""
    return [name for name in names.splitlines() if name.startswith(SET_PREFIXES)]


def _sets() -> list[str]:
    return our_sets(_run("ipset", "list", "-n"))


def find(layout: Layout) -> list[str]:
    """Return everything that remains of the cluster, one line each."""
    found = [f"process {p.pid} ({p.executable})" for p in processes.running(layout.state)]
    found += [f"pod process {pid}" for pid in _pod_processes()]
    found += [f"mount {point}" for point in _mounts(layout)]
    found += [f"cgroup {folder}" for folder in cgroup_folders() if folder.exists()]
    found += [f"network port {name}" for name in _veths()]
    if Path(f"/sys/class/net/{settings.BRIDGE}").exists():
        found.append(f"bridge {settings.BRIDGE}")
    for command in ("iptables", "ip6tables"):
        rules = our_rules(_run(f"{command}-save"))
        found += [f"{command} rule {rule}" for rule in rules]
    found += [f"ipset {name}" for name in _sets()]
    if host.unknown_services_of_pods():
        found.append(f"routing rule {' '.join(host.NO_ROUTE)}")
    if layout.state.exists():
        found.append(f"folder {layout.state}")
    return found


def kill_pods() -> None:
    """End every process in the cgroup of the pods."""
    deadline = time.monotonic() + 10
    while (pids := _pod_processes()) and time.monotonic() < deadline:
        for pid in pids:
            processes.send(pid, signal.SIGKILL)
        time.sleep(0.05)


def remove(layout: Layout) -> None:
    """Remove all leftovers; the processes of the cluster must have ended."""
    sockets = _shim_sockets(layout)
    processes.stop(processes.running(layout.state), seconds=2)
    for point in _mounts(layout):
        _run("umount", point)
    for point in _mounts(layout):
        _run("umount", "--lazy", point)
    for socket in sockets:
        socket.unlink(missing_ok=True)
    for name in _veths():
        _run("ip", "link", "del", name)
    _run("ip", "link", "del", settings.BRIDGE)
    for command in ("iptables", "ip6tables"):
        rules = _run(f"{command}-save")
        if our_rules(rules):
            _run(f"{command}-restore", stdin=without_our_rules(rules))
    for name in _sets():
        _run("ipset", "destroy", name)
    if host.unknown_services_of_pods():
        _run("ip", "rule", "del", *host.NO_ROUTE)
    for folder in cgroup_folders():
        _remove_cgroup(folder)
    # The loopback results carry no network name of ours, but the same container ids.
    for result in CNI_RESULTS.glob(f"{settings.CNI_NETWORK}-*-eth0"):
        container = result.name.split("-")[1]
        for file in CNI_RESULTS.glob(f"*-{container}-*"):
            file.unlink(missing_ok=True)
    if LOG_LINKS.is_dir():
        for link in LOG_LINKS.iterdir():
            if link.is_symlink() and os.readlink(link).startswith(str(layout.state)):
                link.unlink()
    for folder in host.created_folders(layout):
        shutil.rmtree(folder, ignore_errors=True)
    if not _mounts(layout):  # never delete through a mount
        shutil.rmtree(layout.state, ignore_errors=True)


def _remove_cgroup(folder: Path) -> None:
    deadline = time.monotonic() + 5
    while folder.exists() and time.monotonic() < deadline:
        for path, _, _ in os.walk(folder, topdown=False):
            with contextlib.suppress(OSError):  # busy until its last process is reaped
                Path(path).rmdir()
        if folder.exists():
            time.sleep(0.1)


def _run(*command: str, stdin: str | None = None) -> str:
    """A command whose failure shows in `find` rather than here."""
    try:
        result = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # the package is not installed, so nothing can remain
        return ""
    return result.stdout
