"""An account with a token, as pods have, for the processes of the operator's benchmark.

The administrator's client certificate would be verified again with each request, which costs the
API server a twentieth of its CPU; it remembers tokens.
"""

from __future__ import annotations

import pathlib

import yaml

from tests.integration import operator_api_rig as rig

#: Not the operator's own namespace, whose accounts the API server audits.
NAMESPACE, NAME = "fleet-accounts", "fleet"


def config(folder: pathlib.Path) -> pathlib.Path:
    """Return a kubeconfig of a new account with all rights."""
    account = f"{NAMESPACE}:{NAME}"
    rig.kubectl("create", "namespace", NAMESPACE)
    rig.kubectl("-n", NAMESPACE, "create", "serviceaccount", NAME)
    rig.kubectl(
        "create", "clusterrolebinding", NAME, "--clusterrole=cluster-admin",
        f"--serviceaccount={account}",
    )  # fmt: skip
    token = rig.kubectl("-n", NAMESPACE, "create", "token", NAME, "--duration=6h").strip()
    content = yaml.safe_load(rig.kubeconfig().read_text(encoding="utf-8"))
    for user in content["users"]:
        user["user"] = {"token": token}
    path = folder / "fleet.kubeconfig"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path
