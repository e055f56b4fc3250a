"""The operator's account from the chart, and a kubeconfig for it."""

from __future__ import annotations

import dataclasses
import pathlib
import time
from functools import cache

import yaml

from tests import chart
from tests.cluster.api import ClusterError
from tests.integration import operator_api_rig as rig
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS

SYSTEM = "recommender-system"
#: A namespace whose models may use the account `trainer`.
LISTING = "lists-an-account"
RIGHTS = frozenset(
    {
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
)
#: Seconds until the API server enforces a policy.
EFFECTIVE_SECONDS = 120.0


def _image(role: str, name: str) -> dict[str, str]:
    repository, tag = name.rsplit(":", 1)
    return {f"images.{role}.repository": repository, f"images.{role}.tag": tag}


#: Variables of the operator about the collector.
OF_THE_COLLECTOR = tuple(f"RECOMMENDER_{name}" for name in ("STORE", "COLLECTOR", "EXPERIMENTS"))
#: The values that tests build manifests with: the policies know the images and the Gateway.
VALUES = {
    **_image("training", OPTIONS.training_image),
    **_image("serving", OPTIONS.serving_image),
    "gateway.name": OPTIONS.gateway_name,
    "gateway.namespace": OPTIONS.gateway_namespace,
    "gateway.sectionName": OPTIONS.gateway_section,
    "gateway.domain": OPTIONS.domain,
    "imagePullSecrets": f"{{{','.join(OPTIONS.image_pull_secrets)}}}",
    f"scheduling.serviceAccounts.{LISTING}": "{trainer}",
    # The Secrets that transformers may mount.
    "transformer.logUserKey.secretName": "log-key",
    "collector.enabled": "true",
    "collector.models.movies.mapping.interactions.user": "user_id",
    "collector.models.movies.mapping.interactions.item": "item_id",
    "collector.models.movies.mapping.interactions.timestamp": "time",
    "collector.store.users.secretName": "store-users",
    "collector.store.tls.secretName": "store-tls",
}


@dataclasses.dataclass(frozen=True)
class Account:
    """The rights that the chart renders with some values."""

    manifests: tuple[chart.Manifest, ...]
    namespace: str = SYSTEM

    @property
    def name(self) -> str:
        """The name of the ServiceAccount."""
        return str(self._one("ServiceAccount")["metadata"]["name"])

    @property
    def user(self) -> str:
        """The user name in the API server."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    @property
    def rules(self) -> list[chart.Manifest]:
        """The rules of its roles."""
        bindings = self._all("RoleBinding") + self._all("ClusterRoleBinding")
        bound = {(b["roleRef"]["kind"], b["roleRef"]["name"]) for b in bindings}
        roles = self._all("Role") + self._all("ClusterRole")
        mine = [r for r in roles if (r["kind"], r["metadata"]["name"]) in bound]
        return [rule for role in mine for rule in role["rules"]]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the operator's container, without values from the pod's fields.

        The collector that the policies know does not run beside the operators of tests.
        """
        (operator,) = (
            each
            for each in self._all("Deployment")
            if each["metadata"]["labels"]["app.kubernetes.io/name"] == "recommender-operator"
        )
        (container,) = operator["spec"]["template"]["spec"]["containers"]
        return {
            entry["name"]: "" if entry["name"].startswith(OF_THE_COLLECTOR) else entry["value"]
            for entry in container["env"]
            if "value" in entry
        }

    def config(self, folder: pathlib.Path) -> pathlib.Path:
        """Return a kubeconfig for this account."""
        config = yaml.safe_load(rig.kubeconfig().read_text(encoding="utf-8"))
        for user in config["users"]:
            user["user"] = {"token": _token(self.namespace, self.name)}
        path = folder / f"{self.name}.kubeconfig"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def _all(self, kind: str) -> list[chart.Manifest]:
        return [manifest for manifest in self.manifests if manifest["kind"] == kind]

    def _one(self, kind: str) -> chart.Manifest:
        (found,) = self._all(kind)
        return found


@cache
def _token(namespace: str, account: str) -> str:
    """Return a token of an account; it is valid for longer than all tests take."""
    return rig.kubectl("-n", namespace, "create", "token", account, "--duration=1h").strip()


@cache
def clusterwide(instance: str = "") -> Account:
    """Return the account of a cluster-wide release, with its policies enforced."""
    values = {"clusterWide": "true", "operator.instance": instance}
    account = _installed(instance or "recommender", values)
    _until_policed(account)
    return account


@cache
def with_keda(server: str) -> Account:
    """Return the account of a cluster-wide release that scales by KEDA; `server` is asked."""
    keda = {"keda.enabled": "true", "keda.prometheusUrl": server}
    account = _installed("keda", {"clusterWide": "true", "operator.instance": "keda", **keda})
    _until_policed(account)
    return account


@cache
def namespaced(namespace: str) -> Account:
    """Return the account of a release that watches one namespace."""
    return _installed(namespace, {"watchNamespaces": f"{{{namespace}}}"})


def clusterwide_config(folder: pathlib.Path) -> pathlib.Path:
    """Return a kubeconfig of an account with rights in all namespaces."""
    return clusterwide().config(folder)


def namespaced_config(folder: pathlib.Path, namespace: str) -> pathlib.Path:
    """Return a kubeconfig of an account whose rights the chart limits to one namespace."""
    return namespaced(namespace).config(folder)


def _installed(release: str, values: dict[str, str]) -> Account:
    """Apply the account of a release and its rights."""
    account = Account(tuple(chart.manifests({**VALUES, **values}, SYSTEM, release)))
    rig.kubeconfig()
    if SYSTEM not in rig.kubectl("get", "namespaces", "-o", "name"):
        rig.kubectl("create", "namespace", SYSTEM)
    text = yaml.safe_dump_all([m for m in account.manifests if m["kind"] in RIGHTS])
    rig.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
    return account


def _until_policed(account: Account) -> None:
    """Wait until the API server denies an InferenceService that is not the operator's."""
    foreign = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "foreign", "namespace": "default"},
        "spec": {"predictor": {"containers": [{"name": "main", "image": "example/other:1"}]}},
    }
    end = time.monotonic() + EFFECTIVE_SECONDS
    while time.monotonic() < end:
        try:
            rig.kubectl(
                "create", "--dry-run=server", f"--as={account.user}", "-f", "-",
                stdin=yaml.safe_dump(foreign),
            )  # fmt: skip
        except ClusterError as error:
            if "ValidatingAdmissionPolicy" in str(error):
                return
        time.sleep(0.2)
    raise AssertionError(f"no policy holds {account.user} after {EFFECTIVE_SECONDS} s")
