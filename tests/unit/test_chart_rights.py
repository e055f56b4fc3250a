"""The rights that the chart gives, against the requests that the operator's code makes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
import yaml

from recommender_operator.adapters import kinds, model_caches
from recommender_operator.api import crd, pod_template_policy
from recommender_operator.controller import kube
from tests.chart import (
    CHART,
    CLUSTER_WIDE,
    MODES,
    ROOT,
    Manifest,
    manifests,
    of_kind,
    rendered,
    run_helm,
)

#: Verbs by method of the port, and the subresource that the method asks for.
VERBS = {
    "get": {"": {"get"}},
    "list": {"": {"list"}},
    "list_fields": {"": {"list"}},
    "create": {"": {"create"}},
    "apply": {"": {"create", "patch"}},
    "apply_status": {"/status": {"patch"}},
    "patch": {"": {"patch"}},
    "delete": {"": {"delete"}},
}
#: The same of writes of what a model owns: after a conflict the object is read again.
OWNED = {
    "read": {"": {"get"}},
    "apply": {"": {"get", "create", "patch"}},
    "create": {"": {"get", "create"}},
    "delete": {"": {"get", "delete"}},
    "adopt": {"": {"patch"}},
    "patch": {"": {"patch"}},
    "write_status": {"": {"get"}, "/status": {"patch"}},
}
RESOURCES = {
    name: value
    for name, value in [*vars(kube).items(), *vars(kinds).items()]
    if isinstance(value, kube.Resource)
}
Rights = dict[tuple[str, str], set[str]]


def requests() -> Iterator[tuple[dict[str, set[str]] | None, kube.Resource | None]]:
    """Yield verbs by subresource and the kind of each request in the operator's source.

    A log is asked for without a kind, and has no verbs here.
    """
    for path in (ROOT / "operator").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            on = node.func.value
            receiver = on.attr if isinstance(on, ast.Attribute) else getattr(on, "id", "")
            port = receiver in {"kube", "_kube"} and node.func.attr in {*VERBS, "log"}
            owned = receiver in {"objects", "_objects"} and node.func.attr in OWNED
            if port or owned:
                kind = RESOURCES.get(getattr(node.args[0], "id", ""))
                yield (OWNED if owned else VERBS).get(node.func.attr), kind


def wanted() -> Rights:
    rights: Rights = {}
    for asked, resource in requests():
        if asked is None:
            rights.setdefault(("", "pods/log"), set()).add("get")
            continue
        assert resource is not None, f"a request whose kind cannot be read: {asked}"
        for sub, verbs in asked.items():
            rights.setdefault((resource.group, resource.plural + sub), set()).update(verbs)
    for watched in model_caches.watched(model_caches.CHILDREN_WITH_KEDA).kinds:
        rights.setdefault((watched.group, watched.plural), set()).update({"list", "watch"})
    return rights


def without_keda(rights: Rights) -> Rights:
    """Return the rights of an installation that leaves autoscaling by KEDA off."""
    autoscalers = (kinds.AUTOSCALERS.group, kinds.AUTOSCALERS.plural)
    kept = {kind: verbs for kind, verbs in rights.items() if kind[0] != kinds.SCALED_OBJECTS.group}
    return kept | {autoscalers: rights[autoscalers] - {"delete"}}


def given(role: Manifest) -> Rights:
    rights: Rights = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                rights.setdefault((group, resource), set()).update(rule["verbs"])
    return rights


CLUSTER_SCOPED = {
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterServingRuntime",
    "CustomResourceDefinition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}
NAME = "recommender-operator"


def people(role: Manifest) -> bool:
    return any("aggregate-to" in label for label in role["metadata"]["labels"])


def is_of_lease(thing: Manifest) -> bool:
    """Return whether a Role or binding is the one of the leader election."""
    return str(thing["metadata"]["name"]).endswith("-lease")


def without_lease(mode: str, kind: str) -> list[Manifest]:
    return [thing for thing in of_kind(mode, kind) if not is_of_lease(thing)]


def own_cluster_role(mode: str) -> Manifest:
    (role,) = (role for role in of_kind(mode, "ClusterRole") if not people(role))
    return role


@pytest.mark.parametrize(
    ("mode", "namespaces"),
    [("defaults", ["recommender-system"]), ("namespaced", ["shop", "news"])],
)
def test_in_a_namespace_the_operator_may_do_what_it_does_and_nothing_else(
    mode: str, namespaces: list[str]
) -> None:
    roles = without_lease(mode, "Role")
    assert [role["metadata"]["namespace"] for role in roles] == namespaces
    for role in roles:
        assert given(role) == without_keda(wanted())
    bindings = without_lease(mode, "RoleBinding")
    bound = [binding["metadata"]["namespace"] for binding in bindings]
    assert bound == namespaces


def test_in_the_whole_cluster_it_may_also_watch_for_kinds_and_nothing_else() -> None:
    kinds = {("apiextensions.k8s.io", "customresourcedefinitions"): {"list", "watch"}}
    assert given(own_cluster_role("everything")) == wanted() | kinds
    assert without_lease("everything", "Role") == []


@pytest.mark.parametrize("mode", sorted(MODES))
def test_no_role_has_a_wildcard_or_reads_secrets(mode: str) -> None:
    roles = of_kind(mode, "Role", "ClusterRole")
    assert roles
    for role in roles:
        for (group, resource), verbs in given(role).items():
            assert "*" not in {group, resource, *verbs}, role["metadata"]["name"]
            assert not resource.startswith("secrets")
            assert not {"escalate", "bind", "impersonate"} & verbs


@pytest.mark.parametrize("mode", ["defaults", "namespaced"])
def test_without_cluster_wide_nothing_but_the_crds_is_of_the_cluster(mode: str) -> None:
    found = [each for each in rendered(mode) if each["kind"] in CLUSTER_SCOPED]
    installed = {each["metadata"]["name"] for each in crd.files().values()}
    assert {each["metadata"]["name"] for each in found} == installed


def test_once_the_crds_are_there_a_namespaced_release_needs_no_right_on_the_cluster() -> None:
    kinds = {manifest["kind"] for manifest in manifests({"crds.install": "false"})}
    assert kinds & CLUSTER_SCOPED == set()


@pytest.mark.parametrize("instance", ["", "two"])
@pytest.mark.parametrize("mode", [{}, CLUSTER_WIDE])
def test_rights_have_the_name_of_the_instance_whatever_the_release_is_called(
    mode: dict[str, str], instance: str
) -> None:
    done = run_helm(
        "template", "another", str(CHART), "--set", f"operator.instance={instance}",
        *(word for key, value in mode.items() for word in ("--set", f"{key}={value}")),
    )  # fmt: skip
    found = [m for m in yaml.safe_load_all(done.stdout) if m]
    names = {
        m["metadata"]["name"]
        for m in found
        if m["kind"] in {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
        and not is_of_lease(m)
    }
    assert names == {f"{NAME}-two" if instance else NAME}


def test_people_get_rights_on_the_kinds_by_the_clusters_own_roles_where_wanted() -> None:
    assert not [role for role in of_kind("defaults", "ClusterRole") if people(role)]
    rights = {
        role["metadata"]["name"]: given(role)
        for role in of_kind("everything", "ClusterRole")
        if people(role)
    }
    models, versions, baselines = (
        ("recommender.dev", "recommendermodels"),
        ("recommender.dev", "modelversions"),
        ("recommender.dev", "counterbaselines"),
    )
    assert rights["recommender-models-view"][models] == {"get", "list", "watch"}
    assert "create" in rights["recommender-models-edit"][models]
    # The records are the operator's: nobody edits them.
    assert versions not in rights["recommender-models-edit"]
    assert rights["recommender-models-view"][baselines] == {"get", "list", "watch"}
    assert baselines not in rights["recommender-models-edit"]
    assert not {"create", "update", "patch"} & rights["recommender-models-admin"][versions]


POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
WRITES = {"create", "update", "patch", "delete"}


def of_release(kind: str) -> list[Manifest]:
    """Return the policies or bindings of a release, without those of the definitions."""
    found = of_kind("everything", kind)
    return [each for each in found if each["metadata"]["name"] != pod_template_policy.NAME]


def policed() -> set[tuple[str, str]]:
    """Return the kinds that the policies speak of."""
    return {
        (group, resource)
        for policy in of_release(POLICY)
        for rule in policy["spec"]["matchConstraints"]["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_every_kind_that_the_operator_writes_is_held_by_a_policy() -> None:
    written = {kind for kind, verbs in wanted().items() if verbs & WRITES}
    # The status of a model is the operator's alone, and all that the subresource can change.
    assert written - policed() == {("recommender.dev", "recommendermodels/status")}


def test_policies_deny_hold_the_operators_account_alone_and_fail_closed() -> None:
    policies, bindings = of_release(POLICY), of_release(BINDING)
    account = f"system:serviceaccount:recommender-system:{NAME}"
    for policy in policies:
        (condition,) = policy["spec"]["matchConditions"]
        assert condition["expression"] == f"request.userInfo.username == '{account}'"
        assert policy["spec"]["failurePolicy"] == "Fail"
        for validation in policy["spec"]["validations"]:
            assert "the recommender operator may not" in validation["messageExpression"]
    assert len(policies) >= 8
    names = {policy["metadata"]["name"] for policy in policies}
    assert {binding["spec"]["policyName"] for binding in bindings} == names
    assert all(binding["spec"]["validationActions"] == ["Deny"] for binding in bindings)


@pytest.mark.parametrize(
    ("values", "there"),
    [
        ({}, False),
        ({"admissionPolicy.namespaced": "true"}, True),
        (CLUSTER_WIDE, True),
        ({**CLUSTER_WIDE, "admissionPolicy.enabled": "false"}, False),
    ],
)
def test_policies_come_with_cluster_wide_rights_or_when_wanted(
    values: dict[str, str], there: bool
) -> None:
    without = {"crds.install": "false", **values}
    kinds = {manifest["kind"] for manifest in manifests(without)}
    assert ({POLICY, BINDING} <= kinds) is there
    assert bool({POLICY, BINDING} & kinds) is there
