"""The enforcement of NetworkPolicies, or why there is none."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cluster import leftovers, policies, processes
from tests.cluster.binaries import Binaries
from tests.cluster.settings import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, tmp_path / "cache", api_port=1, etcd_port=2)


def test_a_missing_feature_of_the_kernel_is_named_with_the_command_that_needs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails(command: Sequence[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess(command, int("NFLOG" in command[-1]))

    monkeypatch.setattr(subprocess, "run", fails)
    monkeypatch.setattr(policies, "BRIDGE_FILTER", tmp_path / "bridge-nf-call-iptables")
    flog, bridge = policies.missing()
    assert flog.startswith("CONFIG_NETFILTER_XT_TARGET_NFLOG (`iptables -A probe -j NFLOG")
    assert "modprobe br_netfilter" in bridge


def test_without_a_feature_the_cluster_starts_and_remembers_why_nothing_is_enforced(
    monkeypatch: pytest.MonkeyPatch, layout: Layout
) -> None:
    monkeypatch.setattr(policies, "missing", lambda: ["CONFIG_X (`x` fails)"])
    assert policies.unenforced(layout) == ""
    policies.install(layout, Binaries.__new__(Binaries))
    assert policies.unenforced(layout) == "this machine's kernel lacks CONFIG_X (`x` fails)"

    started = []
    monkeypatch.setattr(policies, "missing", lambda: [])
    monkeypatch.setattr(policies, "controller", lambda *_: "part")
    monkeypatch.setattr(processes, "run_part", lambda _, part: started.append(part))
    policies.install(layout, Binaries.__new__(Binaries))
    assert (policies.unenforced(layout), started) == ("", ["part"])


def test_down_destroys_the_sets_of_its_rules_alone() -> None:
    names = "KUBE-SRC-ABC\nblocklist\nKUBE-DST-DEF\nKUBE-CLUSTER-IP\n"
    assert leftovers.our_sets(names) == ["KUBE-SRC-ABC", "KUBE-DST-DEF"]
