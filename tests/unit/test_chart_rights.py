"""The rights that the chart gives, against the requests that the operator's code makes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import pytest

from recommender_operator.adapters import caches, kube
from tests.chart import MODES, ROOT, Manifest, of_kind

#: Verbs by method of the port, and the subresource that the method asks for.
VERBS = {
    "get": ("", {"get"}),
    "list": ("", {"list"}),
    "create": ("", {"create"}),
    "apply": ("", {"create", "patch"}),
    "apply_status": ("/status", {"patch"}),
    "patch": ("", {"patch"}),
    "delete": ("", {"delete"}),
}
RESOURCES = {name: value for name, value in vars(kube).items() if isinstance(value, kube.Resource)}
Rights = dict[tuple[str, str], set[str]]


def requests() -> Iterator[tuple[str, kube.Resource | None]]:
    """Yield the method of the port and the kind of each request in the operator's source."""
    for path in (ROOT / "operator").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            on = node.func.value
            receiver = on.attr if isinstance(on, ast.Attribute) else getattr(on, "id", "")
            if receiver in {"kube", "_kube"} and node.func.attr in {*VERBS, "log"}:
                first = node.args[0]
                yield node.func.attr, RESOURCES.get(getattr(first, "id", ""))


def wanted() -> Rights:
    rights: Rights = {}
    for method, resource in requests():
        if method == "log":
            rights.setdefault(("", "pods/log"), set()).add("get")
        else:
            assert resource is not None, f"a request whose kind cannot be read: {method}"
            sub, verbs = VERBS[method]
            rights.setdefault((resource.group, resource.plural + sub), set()).update(verbs)
    for watched in caches.KINDS:
        rights.setdefault((watched.group, watched.plural), set()).update({"list", "watch"})
    # Kopf's finalizer and annotations.
    rights[kube.MODELS.group, kube.MODELS.plural].add("patch")
    # Owner references with blockOwnerDeletion.
    for owner in (kube.MODELS, kube.VERSIONS):
        rights[owner.group, f"{owner.plural}/finalizers"] = {"update"}
    return rights


def given(role: Manifest) -> Rights:
    rights: Rights = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                rights.setdefault((group, resource), set()).update(rule["verbs"])
    return rights


def own_cluster_role(mode: str) -> Manifest:
    roles: list[Any] = [
        role
        for role in of_kind(mode, "ClusterRole")
        if not any("aggregate-to" in label for label in role["metadata"]["labels"])
    ]
    (role,) = roles
    found: Manifest = role
    return found


def test_in_a_namespace_the_operator_may_do_what_it_does_and_nothing_else() -> None:
    roles = of_kind("namespaced", "Role")
    assert len(roles) == 2
    for role in roles:
        assert given(role) == wanted()


def test_in_the_whole_cluster_it_may_also_watch_for_kinds_and_nothing_else() -> None:
    kinds = {("apiextensions.k8s.io", "customresourcedefinitions"): {"list", "watch"}}
    assert given(own_cluster_role("defaults")) == wanted() | kinds


@pytest.mark.parametrize("mode", sorted(MODES))
def test_no_role_has_a_wildcard_or_reads_secrets(mode: str) -> None:
    roles = of_kind(mode, "Role", "ClusterRole")
    assert roles
    for role in roles:
        for (group, resource), verbs in given(role).items():
            assert "*" not in {group, resource, *verbs}, role["metadata"]["name"]
            assert not resource.startswith("secrets")
            assert not {"escalate", "bind", "impersonate"} & verbs


def test_with_named_namespaces_the_operator_has_no_right_beyond_them() -> None:
    assert of_kind("namespaced", "ClusterRoleBinding", "ClusterServingRuntime") == []
    bindings = of_kind("namespaced", "RoleBinding")
    assert [b["metadata"]["namespace"] for b in bindings] == ["shop", "news"]
    for role in of_kind("namespaced", "ClusterRole"):
        assert any("aggregate-to" in label for label in role["metadata"]["labels"])


def test_people_get_rights_on_the_kinds_by_the_clusters_own_roles() -> None:
    rights = {
        role["metadata"]["name"]: given(role)
        for role in of_kind("defaults", "ClusterRole")
        if any("aggregate-to" in label for label in role["metadata"]["labels"])
    }
    models, versions = (
        ("recommender.dev", "recommendermodels"),
        ("recommender.dev", "modelversions"),
    )
    assert rights["recommender-operator-view"][models] == {"get", "list", "watch"}
    assert "create" in rights["recommender-operator-edit"][models]
    # The records are the operator's: nobody edits them.
    assert versions not in rights["recommender-operator-edit"]
    assert not {"create", "update", "patch"} & rights["recommender-operator-admin"][versions]
