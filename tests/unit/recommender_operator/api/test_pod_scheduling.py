"""Tolerations and affinity that pods cannot have are refused with field, value and remedy."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_operator.api.pod_scheduling import refusal
from recommender_operator.api.spec_pod_template import PodTemplate

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
TERM = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "zone"}


def refused(**spec: Any) -> str:
    return refusal("serving.podTemplate", PodTemplate.model_validate({"spec": spec}))


def nodes(**requirement: Any) -> dict[str, Any]:
    term = {"matchExpressions": [{"key": "zone", **requirement}]}
    return {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [term]}}}}


def pods(kind: str = "podAntiAffinity", **term: Any) -> dict[str, Any]:
    return {"affinity": {kind: {REQUIRED: [{**TERM, **term}]}}}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"tolerations": [], "affinity": {}},
        {"tolerations": [{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}]},
        {"tolerations": [{"key": "nvidia.com/gpu", "value": "a"}]},
        nodes(operator="Gt", values=["4"]),
        nodes(operator="DoesNotExist"),
        pods(
            labelSelector={"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
        ),
        {"affinity": {"podAffinity": {PREFERRED: [{"weight": 5, "podAffinityTerm": TERM}]}}},
    ],
)
def test_what_a_pod_can_have_is_accepted(spec: dict[str, Any]) -> None:
    assert refused(**spec) == ""


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"tolerations": [{"value": "x"}]}, "without a key requires the operator Exists"),
        (
            {"tolerations": [{"key": "a", "operator": "Exists", "value": "x"}]},
            "must not have a value",
        ),
        (
            {"tolerations": [{"key": "a", "tolerationSeconds": 3, "effect": "NoSchedule"}]},
            "requires the effect NoExecute",
        ),
        ({"tolerations": [{"key": 3}]}, "spec.tolerations[0].key 3: "),
        ({"tolerations": [{"key": None}]}, "spec.tolerations[0].key None: give a value"),
        ({"tolerations": [{"key": "a", "operator": "Is"}]}, "tolerations[0].operator 'Is': "),
        ({"tolerations": [{"kay": "a"}]}, "spec.tolerations[0].kay 'a': there is no such field"),
        (nodes(operator="In"), "at least one with In"),
        (nodes(operator="Exists", values=["a"]), "none with Exists"),
        (nodes(operator="Gt", values=["a"]), "require one integer"),
        (nodes(operator="In", values="a"), "matchExpressions[0].values 'a': "),
        ({"affinity": {"nodeAffinity": {REQUIRED: []}}}, f"nodeAffinity.{REQUIRED} []: "),
        ({"affinity": {"nodeAfinity": {}}}, "affinity.nodeAfinity {}: there is no such field"),
        ({"affinity": {"podAffinity": "web"}}, "affinity.podAffinity 'web': "),
        (pods(topologyKey=None), "topologyKey None: give a value, or remove the field"),
        (
            pods(labelSelector={"matchExpressions": [{"key": "a", "operator": "NotIn"}]}),
            "at least one with In",
        ),
    ],
)
def test_what_no_pod_can_have_is_refused_with_field_and_value(
    spec: dict[str, Any], message: str
) -> None:
    found = refused(**spec)
    assert message in found
    assert found.startswith("serving.podTemplate.spec.")


@pytest.mark.parametrize("kind", ["podAffinity", "podAntiAffinity"])
@pytest.mark.parametrize(
    "field",
    [{"namespaces": ["other"]}, {"namespaceSelector": {}}],
    ids=lambda field: next(iter(field)),
)
def test_a_term_selects_no_pods_of_other_namespaces(kind: str, field: dict[str, Any]) -> None:
    remedy = "remove it: a term selects pods of the namespace of the model alone"
    name = next(iter(field))
    assert refused(**pods(kind, **field)).endswith(f"[0].{name} {field[name]!r}: {remedy}")
    preferred = {PREFERRED: [{"weight": 5, "podAffinityTerm": {**TERM, **field}}]}
    assert refused(affinity={kind: preferred}).endswith(remedy)


@pytest.mark.parametrize(
    ("template", "field"),
    [
        ({"template": {}}, "podTemplate.template {}"),
        ({"metadata": {"name": "x"}}, "podTemplate.metadata.name 'x'"),
        ({"spec": {"hostNetwork": True}}, "podTemplate.spec.hostNetwork True"),
        ({"spec": {"containers": [{"image": "a" * 200}]}}, "podTemplate.spec.containers [{"),
    ],
)
def test_other_parts_of_a_pod_are_refused_and_not_ignored(
    template: dict[str, Any], field: str
) -> None:
    found = refusal("podTemplate", PodTemplate.model_validate(template))
    assert found.startswith(field)
    assert "remove it. A pod template takes metadata.labels" in found
    assert len(found) < 500


def test_a_model_without_a_template_has_none_to_refuse() -> None:
    assert refusal("podTemplate", None) == refusal("podTemplate", PodTemplate()) == ""
