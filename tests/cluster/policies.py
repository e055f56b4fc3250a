"""The enforcement of NetworkPolicies, a host process with the controller of kube-router.

It needs features of the kernel that some machines lack. The cluster starts without it there, and
says so.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.cluster import processes, settings
from tests.cluster.binaries import Binaries
from tests.cluster.host import BRIDGE_FILTER
from tests.cluster.pki import Authority
from tests.cluster.processes import Part
from tests.cluster.progress import say
from tests.cluster.settings import Layout

NAME = "network-policies"
_CHAIN = "KUBE-ROUTER-FORWARD"
#: Written with the rules of the first synchronization.
_SYNCHRONIZED = "comply to network policies"
_SET = "ipset create probe hash:ip; iptables -N probe; iptables -A probe"
#: Features of the kernel, and what they are for, tried in a network of their own.
FEATURES = {
    "CONFIG_IP_SET_HASH_IP": "ipset create probe hash:ip timeout 0",
    "CONFIG_IP_SET_HASH_NET": "ipset create probe hash:net timeout 0",
    "CONFIG_NETFILTER_XT_SET": f"{_SET} -m set --match-set probe src",
    "CONFIG_NETFILTER_XT_MATCH_PHYSDEV": f"{_SET} -m physdev --physdev-is-bridged",
    "CONFIG_NETFILTER_XT_MATCH_MULTIPORT": f"{_SET} -p tcp -m multiport --dports 1:2",
    "CONFIG_NETFILTER_XT_MATCH_LIMIT": f"{_SET} -m limit --limit 10/minute",
    "CONFIG_NETFILTER_XT_TARGET_NFLOG": f"{_SET} -j NFLOG --nflog-group 100",
    "CONFIG_NETFILTER_XT_MARK": f"{_SET} -j MARK --set-xmark 0x10000/0x10000",
}


def missing() -> list[str]:
    """Return the features that this machine's kernel lacks, with the command that needs each."""
    found = [
        f"{feature} (`{command.rpartition('; ')[2]}` fails)"
        for feature, command in FEATURES.items()
        if not _works(command)
    ]
    if not BRIDGE_FILTER.exists():
        found.append(f"CONFIG_BRIDGE_NETFILTER (no {BRIDGE_FILTER}: `modprobe br_netfilter`)")
    return found


def _works(command: str) -> bool:
    tried = subprocess.run(
        ["unshare", "--net", "sh", "-ec", command], capture_output=True, check=False
    )
    return tried.returncode == 0


def unenforced(layout: Layout) -> str:
    """Return why this cluster enforces no NetworkPolicies; empty if it does."""
    stamp = _stamp(layout)
    return stamp.read_text() if stamp.exists() else ""


def _stamp(layout: Layout) -> Path:
    return layout.state / "without-policies"


def install(layout: Layout, built: Binaries) -> None:
    """Start the process, or say what the kernel lacks."""
    stamp = _stamp(layout)
    stamp.unlink(missing_ok=True)
    if lacking := missing():
        reason = f"this machine's kernel lacks {', '.join(lacking)}"
        stamp.write_text(reason)
        say(f"NetworkPolicies are not enforced: {reason}")
        return
    processes.run_part(layout, controller(layout, built))


def controller(layout: Layout, built: Binaries) -> Part:
    """The process. It ends at once where the node has not registered yet."""
    kubeconfig = Authority(layout.pki).kubeconfig(
        layout.state / "policies.kubeconfig", layout.api_url, "recommender:policies"
    )
    return Part(
        NAME,
        [
            str(built.path(NAME)),
            f"--kubeconfig={kubeconfig}",
            f"--node={settings.NAME}",
            f"--services={settings.SERVICE_CIDR}",
        ],
        _synchronized,
    )


def _synchronized() -> str | None:
    listed = subprocess.run(
        ["iptables", "--wait", "-S", _CHAIN], capture_output=True, text=True, check=False
    )
    return None if _SYNCHRONIZED in listed.stdout else f"chain {_CHAIN} is not complete"
