"""A real API server takes what the chart renders, and enforces the rights that it gives."""

from __future__ import annotations

import json
import uuid
from functools import cache

import pytest
import yaml

from tests.chart import MODES, Manifest, template
from tests.cluster import api
from tests.cluster.objects import Kubectl

pytestmark = pytest.mark.integration

#: Their CRDs belong to the Prometheus Operator, which is not here.
MONITORING = "monitoring.coreos.com/"
#: The operator's pod is one that the strictest of Kubernetes' own standards lets in.
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


@cache
def kubectl() -> Kubectl:
    """kubectl for an API server that knows all kinds of the chart."""
    result = api.kubectl_for(api.ensure_apiserver())
    for path in api.crd_paths()["kserve"]:
        result("apply", "--server-side", "--force-conflicts", "-f", str(path))
    return result


def new_namespace() -> str:
    name = f"chart-{uuid.uuid4().hex[:8]}"
    kubectl()("create", "namespace", name)
    kubectl()("label", "namespace", name, RESTRICTED)
    return name


def render(values: dict[str, str], namespace: str) -> list[Manifest]:
    done = template(values, namespace=namespace)
    assert done.returncode == 0, done.stderr
    found = [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]
    return [m for m in found if not m["apiVersion"].startswith(MONITORING)]


def apply(manifests: list[Manifest], *options: str) -> str:
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    said: str = kubectl()(
        "apply", "--server-side", "--force-conflicts", "--validate=strict", *options, "-f", "-",
        stdin=items,
    )  # fmt: skip
    return said


@pytest.mark.parametrize("mode", sorted(MODES))
def test_the_server_takes_all_that_the_chart_renders(mode: str) -> None:
    namespace = new_namespace()
    values = dict(MODES[mode])
    if "watchNamespaces" in values:
        values["watchNamespaces"] = f"{{{namespace}}}"
    manifests = render(values, namespace)
    said = apply(manifests, "--dry-run=server")
    assert said.count("serverside-applied") == len(manifests)
    # What the restricted standard has to say comes as a warning about the Deployment.
    assert "violate" not in said.lower()


MAY = {
    ("patch", "recommender.dev/recommendermodels"),
    ("create", "batch/jobs"),
    ("patch", "gateway.networking.k8s.io/httproutes"),
    ("list", "/pods"),
}
MAY_NOT = {
    ("get", "/secrets"),
    ("create", "/pods"),
    ("delete", "recommender.dev/recommendermodels"),
    ("create", "rbac.authorization.k8s.io/roles"),
}


def allowed(account: str, namespace: str) -> set[tuple[str, str]]:
    """Return what of the above an account may do, by asking the server's own authorizer."""
    asked = sorted(MAY | MAY_NOT)
    reviews = []
    for verb, kind in asked:
        group, _, plural = kind.partition("/")
        attributes = {"namespace": namespace, "verb": verb, "group": group, "resource": plural}
        reviews.append(
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "spec": {"user": account, "resourceAttributes": attributes},
            }
        )
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": reviews})
    shown = 'jsonpath={.status.allowed}{"\\n"}'
    answers = kubectl()("create", "-o", shown, "-f", "-", stdin=items).split()
    return {ask for ask, yes in zip(asked, answers, strict=True) if yes == "true"}


def test_with_named_namespaces_the_operator_works_in_these_alone() -> None:
    home, watched, other = new_namespace(), new_namespace(), new_namespace()
    wanted = {"Role", "RoleBinding", "ServiceAccount"}
    manifests = render({"watchNamespaces": f"{{{watched}}}"}, home)
    apply([m for m in manifests if m["kind"] in wanted])
    account = f"system:serviceaccount:{home}:recommender-operator"
    assert allowed(account, watched) == MAY
    assert allowed(account, other) == set()
    assert allowed(account, home) == set()
