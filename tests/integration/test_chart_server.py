"""A real API server accepts the rendered chart, and enforces its RBAC rules."""

from __future__ import annotations

import base64
import json
import pathlib
import subprocess
import uuid
from functools import cache

import pytest
import yaml

from tests import chart_collector
from tests.chart import CHART, MODES, Manifest, run_helm, template
from tests.chart_collector import DEFAULTS
from tests.cluster import api
from tests.cluster.objects import Kubectl

pytestmark = pytest.mark.integration

#: Their CRDs belong to the Prometheus Operator, which is not installed.
MONITORING = "monitoring.coreos.com/"
#: The operator's pod meets the strictest of the Pod Security Standards.
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


@cache
def kubectl() -> Kubectl:
    """kubectl for an API server that knows all kinds of the chart."""
    result = api.kubectl_for(api.ensure_apiserver())
    for path in api.crd_paths()["kserve"]:
        result("apply", "--server-side", "--force-conflicts", "-f", str(path))
    result.wait_described("serving.kserve.io/v1alpha1", "ServingRuntime")
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
    shown_text: str = kubectl()(
        "apply", "--server-side", "--force-conflicts", "--validate=strict", *options, "-f", "-",
        stdin=items,
    )  # fmt: skip
    return shown_text


@pytest.mark.parametrize("mode", sorted(MODES))
def test_the_api_server_accepts_everything_that_the_chart_renders(mode: str) -> None:
    namespace = new_namespace()
    values = dict(MODES[mode])
    if "watchNamespaces" in values:
        values["watchNamespaces"] = f"{{{namespace}}}"
    manifests = render(values, namespace)
    shown_text = apply(manifests, "--dry-run=server")
    assert shown_text.count("serverside-applied") == len(manifests)
    # Violations of the restricted standard appear as a warning about the Deployment.
    assert "violate" not in shown_text.lower()


def test_the_api_server_accepts_the_collector_of_a_cluster_wide_release() -> None:
    code, text, errors = chart_collector.render(chart_collector.EVERYTHING, clusterWide=True)
    assert code == 0, errors
    manifests = [each for each in yaml.safe_load_all(text) if each]
    kubectl()("create", "namespace", "shops")
    shown_text = apply(manifests, "--dry-run=server")
    assert shown_text.count("serverside-applied") == len(manifests)
    (policy,) = (
        each for each in manifests
        if each["kind"] == "ValidatingAdmissionPolicy" and "-services" in each["metadata"]["name"]
    )  # fmt: skip
    rules = " ".join(each["expression"] for each in policy["spec"]["validations"])
    assert "v.secret.secretName == 'serving-keys' && request.namespace == 'shops'" in rules


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
    """Return which of these rights an account has, according to the server's authorizer."""
    requested = sorted(MAY | MAY_NOT)
    reviews = []
    for verb, kind in requested:
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
    return {ask for ask, yes in zip(requested, answers, strict=True) if yes == "true"}


@pytest.mark.parametrize("named", [True, False], ids=["named", "its own"])
def test_the_operator_has_rights_only_in_the_namespaces_that_it_watches(named: bool) -> None:
    home, watched, other = new_namespace(), new_namespace(), new_namespace()
    wanted = {"Role", "RoleBinding", "ServiceAccount"}
    manifests = render({"watchNamespaces": f"{{{watched}}}"} if named else {}, home)
    apply([m for m in manifests if m["kind"] in wanted])
    account = f"system:serviceaccount:{home}:recommender-operator"
    assert allowed(account, watched if named else home) == MAY
    assert allowed(account, other) == set()
    assert allowed(account, home if named else watched) == set()


def installer(namespace: str, folder: pathlib.Path) -> pathlib.Path:
    """Return a kubeconfig of an account with all rights in one namespace and none elsewhere."""
    run = kubectl()
    run("-n", namespace, "create", "serviceaccount", "installer")
    run("-n", namespace, "create", "role", "owner", "--verb=*", "--resource=*.*")
    run(
        "-n", namespace, "create", "rolebinding", "owner",
        "--role=owner", f"--serviceaccount={namespace}:installer",
    )  # fmt: skip
    token = run("-n", namespace, "create", "token", "installer", "--duration=1h").strip()
    config = yaml.safe_load(api.ensure_apiserver().read_text(encoding="utf-8"))
    for user in config["users"]:
        user["user"] = {"token": token}
    path = folder / "installer.kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def install(
    release: str, namespace: str, config: pathlib.Path, *settings: str
) -> subprocess.CompletedProcess[str]:
    """Install a release from the chart, without waiting for pods, because nothing runs them."""
    return run_helm(
        "install", release, str(CHART), "--kubeconfig", str(config), "--namespace", namespace,
        "--set", "crds.install=false", *settings,
    )  # fmt: skip


def test_a_user_with_rights_in_one_namespace_can_install_once_the_crds_exist(
    tmp_path: pathlib.Path,
) -> None:
    namespace = new_namespace()
    config = installer(namespace, tmp_path)
    done = install("mine", namespace, config)
    assert done.returncode == 0, done.stderr
    assert f"the models of {namespace}" in done.stdout
    assert "An administrator must install them" in done.stdout
    # This account must not install cluster-scoped objects.
    wide = install("wide", namespace, config, "--set", "clusterWide=true")
    assert wide.returncode != 0
    assert "forbidden" in wide.stderr


def test_an_upgrade_keeps_the_random_secrets(tmp_path: pathlib.Path) -> None:
    namespace = new_namespace()
    config = installer(namespace, tmp_path)
    values = tmp_path / "values.json"
    values.write_text(json.dumps({"collector": DEFAULTS}))

    def secrets() -> dict[str, dict[str, str]]:
        listed = json.loads(kubectl()("-n", namespace, "get", "secrets", "-o", "json"))["items"]
        return {
            each["metadata"]["name"]: each["data"] for each in listed if each["type"] == "Opaque"
        }

    done = install("mine", namespace, config, "-f", str(values))
    assert done.returncode == 0, done.stderr
    first = secrets()
    token = base64.b64decode(first["mine-operator-collector-admin"]["token"]).decode()
    assert len(token) == 43
    done = run_helm(
        "upgrade", "mine", str(CHART), "--kubeconfig", str(config), "--namespace", namespace,
        "--reset-then-reuse-values", "--set", "collector.replicas=1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert secrets() == first
    assert token not in done.stdout


@pytest.mark.parametrize("scope", ["namespaced", "cluster-wide"])
def test_a_second_release_over_the_same_namespaces_is_refused_unless_it_is_another_instance(
    scope: str,
) -> None:
    first, second, watched = new_namespace(), new_namespace(), new_namespace()
    config = api.ensure_apiserver()
    over = ["--set", f"watchNamespaces={{{watched}}}", "--set", "runtime.create=false"]
    if scope == "cluster-wide":
        over = ["--set", "clusterWide=true", "--set", "runtime.create=false"]
        over += ["--set", f"operator.instance={first}"]
    assert install("one", first, config, *over).returncode == 0
    refused = install("two", second, config, *over)
    assert refused.returncode != 0
    assert "invalid ownership metadata" in refused.stderr
    other = install("two", second, config, *over, "--set", f"operator.instance={second}")
    assert other.returncode == 0, other.stderr
