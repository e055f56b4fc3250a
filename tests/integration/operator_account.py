"""The account that the chart gives the operator, and a kubeconfig that acts as it."""

from __future__ import annotations

import copy
import pathlib
from functools import cache

import yaml

from tests import chart
from tests.integration import operator_api_rig as rig

SYSTEM = "recommender-system"
RIGHTS = (
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
)


@cache
def _clusterwide() -> str:
    return _install([m for m in chart.rendered("defaults") if m["kind"] in RIGHTS])


def clusterwide_config(folder: pathlib.Path) -> pathlib.Path:
    """Return a kubeconfig of the account that the chart makes by default."""
    return _config(folder, _clusterwide())


def namespaced_config(folder: pathlib.Path, namespace: str) -> pathlib.Path:
    """Return a kubeconfig of an account whose rights the chart limits to one namespace."""
    values = (f"watchNamespaces={{{namespace}}}", f"serviceAccount.name=operator-{namespace}")
    settings = [word for value in values for word in ("--set", value)]
    done = chart.run_helm("template", "recommender", str(chart.CHART), "-n", SYSTEM, *settings)
    assert done.returncode == 0, done.stderr
    manifests = [m for m in yaml.safe_load_all(done.stdout) if m and m["kind"] in RIGHTS]
    assert not [m for m in manifests if m["kind"] == "ClusterRole" and _binds(manifests, m)]
    return _config(folder, _install(manifests))


def _binds(manifests: list[chart.Manifest], role: chart.Manifest) -> bool:
    bindings = [m for m in manifests if m["kind"] == "ClusterRoleBinding"]
    return any(m["roleRef"]["name"] == role["metadata"]["name"] for m in bindings)


def _install(manifests: list[chart.Manifest]) -> str:
    """Apply the account and its rights; return its name."""
    rig.kubeconfig()
    if SYSTEM not in rig.kubectl("get", "namespaces", "-o", "name"):
        rig.kubectl("create", "namespace", SYSTEM)
    text = yaml.safe_dump_all(copy.deepcopy(manifests))
    rig.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
    (account,) = [m for m in manifests if m["kind"] == "ServiceAccount"]
    return str(account["metadata"]["name"])


def _config(folder: pathlib.Path, account: str) -> pathlib.Path:
    token = rig.kubectl("-n", SYSTEM, "create", "token", account, "--duration=1h").strip()
    config = yaml.safe_load(rig.kubeconfig().read_text(encoding="utf-8"))
    for user in config["users"]:
        user["user"] = {"token": token}
    path = folder / f"{account}.kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
