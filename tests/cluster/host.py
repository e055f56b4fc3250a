"""The cluster's changes to the machine, and their reversal."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.cluster import settings
from tests.cluster.errors import ClusterError
from tests.cluster.settings import Layout

IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
BRIDGE_FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
# The kubelet sets these when it starts.
KUBELET_SWITCHES = tuple(
    Path("/proc/sys", name)
    for name in (
        "kernel/keys/root_maxbytes",
        "kernel/keys/root_maxkeys",
        "kernel/panic",
        "kernel/panic_on_oops",
        "vm/overcommit_memory",
        "vm/panic_on_oom",
    )
)
# containerd 1.6, libcni and the kubelet always write here.
HARD_CODED = tuple(
    Path(path)
    for path in ("/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers")
)
CGROUPS = Path("/sys/fs/cgroup")
#: A chain of packets; `down` removes those with such names.
UNKNOWN_SERVICES = "KUBE-UNKNOWN-SERVICES"
#: Of packets from pods that still have the address of a Service.
NO_ROUTE = ("iif", settings.BRIDGE, "to", settings.SERVICE_CIDR, "unreachable")
#: By default all pods together weigh as much as one process beside them, and the served models
#: miss their deadlines on a busy machine. This is the weight of two cores, for cgroup v1 and v2.
POD_WEIGHTS = {"cpu.shares": "2048", "cpu.weight": "200"}


def prepare_host(layout: Layout) -> None:
    """The bridge, packet forwarding and the cgroup of the pods."""
    if not Path(f"/sys/class/net/{settings.BRIDGE}").exists():
        _ip("link", "add", settings.BRIDGE, "type", "bridge")
    prefix = settings.POD_CIDR.partition("/")[2]
    _ip("addr", "replace", f"{settings.NODE_IP}/{prefix}", "dev", settings.BRIDGE)
    _ip("link", "set", settings.BRIDGE, "up")
    remember_host(layout)
    for switch in (IP_FORWARD, BRIDGE_FILTER):
        if switch.exists():
            switch.write_text("1")
    refuse_unknown_services()
    for folder in cgroup_folders():
        folder.mkdir(exist_ok=True)
        for name, weight in POD_WEIGHTS.items():
            if (folder / name).exists():
                (folder / name).write_text(weight)


def refuse_unknown_services() -> None:
    """Keep connections to Services that kube-proxy does not know yet on this machine.

    They would leave it, and what answers outside may keep them: one of four connections of a model
    then failed for as long as its pod lived. Known Services have another address here already.
    Connections of pods are refused by the routes: the chains of policies accept what they allow
    before any other chain.
    """
    if not unknown_services_of_pods():
        _ip("rule", "add", *NO_ROUTE)
    if _tried("iptables", "--wait", "-N", UNKNOWN_SERVICES).returncode == 0:
        for rule in (
            ("-A", UNKNOWN_SERVICES, "-d", settings.SERVICE_CIDR, "-j", "REJECT"),
            ("-A", "OUTPUT", "-j", UNKNOWN_SERVICES),
        ):
            _run("iptables", "--wait", *rule)


def unknown_services_of_pods() -> bool:
    """Return whether the rule for the connections of pods is there."""
    listed = _tried("ip", "rule", "show", *NO_ROUTE[:-1])
    return settings.SERVICE_CIDR in listed.stdout


def remember_host(layout: Layout) -> None:
    """Record, once, what `down` must restore."""
    before = layout.state / "host.json"
    if before.exists():
        return
    switches = [path for path in (IP_FORWARD, BRIDGE_FILTER, *KUBELET_SWITCHES) if path.exists()]
    memory = {
        "switches": {str(path): path.read_text() for path in switches},
        "absent": [str(path) for path in HARD_CODED if not path.exists()],
    }
    unfinished = before.with_suffix(".part")
    unfinished.write_text(json.dumps(memory))
    unfinished.rename(before)


def _memory(layout: Layout) -> dict[str, Any]:
    before = layout.state / "host.json"
    return dict(json.loads(before.read_text())) if before.exists() else {}


def restore_switches(layout: Layout) -> None:
    """Restore the machine's settings."""
    for path, value in _memory(layout).get("switches", {}).items():
        if Path(path).read_text() != value:
            Path(path).write_text(value)


def created_folders(layout: Layout) -> list[Path]:
    """Return folders outside the state folder that the cluster created."""
    return [Path(path) for path in _memory(layout).get("absent", [])]


def cgroup_folders() -> list[Path]:
    """Our folder in each cgroup hierarchy (v1), or the one folder (v2)."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS / settings.CGROUP]
    hierarchies = {path.resolve() for path in CGROUPS.iterdir() if path.name != "unified"}
    return sorted(path / settings.CGROUP for path in hierarchies if path.is_dir())


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str) -> None:
    result = _tried(*command)
    if result.returncode != 0:
        raise ClusterError("network", f"{' '.join(command)}: {result.stderr.strip()}")


def _tried(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
