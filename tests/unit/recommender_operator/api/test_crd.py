"""The rendered definitions are structural, described and bounded.

That a real API server accepts them and enforces their rules is tested in
`tests/integration`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from recommender_operator.api import crd, rules
from recommender_operator.api.spec import Hyperparameters, RecommenderModelSpec
from recommender_operator.api.status import RecommenderModelStatus
from recommender_operator.api.structural import structural
from recommender_operator.api.version import ModelVersionSpec, ModelVersionStatus
from tests.sources import SOURCE

Json = dict[str, Any]
Problems = Callable[[Json], Iterator[str]]
DEFINITIONS = crd.render_all()
FORBIDDEN = {"$ref", "$defs", "anyOf", "oneOf", "allOf", "title", "const", "prefixItems"}


def schema_of(definition: Json) -> Json:
    schema: Json = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def nodes(schema: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key, part in (("items", "[]"), ("additionalProperties", ".additionalProperties")):
        if key in schema:
            yield from nodes(schema[key], f"{path}{part}")


ALL_NODES = [
    (f"{name.split('.')[0]}{path}", node)
    for name, definition in DEFINITIONS.items()
    for path, node in nodes(schema_of(definition))
]


def unstructural(node: Json) -> Iterator[str]:
    """Yield what a structural schema may not have."""
    if ("type" in node) is node.get("x-kubernetes-int-or-string", False):
        yield "no type"
    yield from FORBIDDEN & node.keys()
    if node.get("additionalProperties") is False:
        yield "additionalProperties"
    for bound in ("exclusiveMinimum", "exclusiveMaximum"):
        if node.get(bound, True) is not True:
            yield bound
    if "properties" in node and "additionalProperties" in node:
        yield "both kinds of properties"


def unbounded(node: Json) -> Iterator[str]:
    """Yield properties without a description, and what may be of any size."""
    for name, child in node.get("properties", {}).items():
        if name != "metadata" and not child.get("description"):
            yield f"no description of {name}"
    if node.get("type") == "array" and node.get("maxItems", 101) > 100:
        yield "maxItems"
    if "additionalProperties" in node and node.get("maxProperties", 101) > 100:
        yield "maxProperties"
    bounded = {"enum", "format", "maxLength"} & node.keys()
    described = node.get("description", "").startswith(("Version of the", "Always "))
    if node.get("type", "string") == "string" and not bounded and not described:
        yield "maxLength"


# One test for all nodes: each of their thousands would cost more than its check.
@pytest.mark.parametrize("problems", [unstructural, unbounded])
def test_every_node_is_structural_described_and_bounded(problems: Problems) -> None:
    assert len(ALL_NODES) > 1000
    assert [f"{path}: {each}" for path, node in ALL_NODES for each in problems(node)] == []


@pytest.mark.parametrize(
    ("node", "found"),
    [
        ({"title": "x"}, {"no type", "title"}),
        ({"x-kubernetes-int-or-string": True}, set()),
        ({"type": "string", "x-kubernetes-int-or-string": True}, {"no type"}),
        ({"type": "integer", "exclusiveMinimum": 0}, {"exclusiveMinimum"}),
        ({"type": "object", "additionalProperties": False}, {"additionalProperties"}),
        (
            {"type": "object", "properties": {}, "additionalProperties": {}},
            {"both kinds of properties"},
        ),
    ],
)
def test_what_is_not_structural_is_found(node: Json, found: set[str]) -> None:
    assert set(unstructural(node)) == found


@pytest.mark.parametrize(
    ("node", "found"),
    [
        ({"type": "object", "properties": {"a": {}}}, {"no description of a"}),
        ({"type": "array"}, {"maxItems"}),
        ({"type": "array", "maxItems": 101}, {"maxItems"}),
        ({"type": "object", "additionalProperties": {}}, {"maxProperties"}),
        ({"type": "string"}, {"maxLength"}),
        ({"x-kubernetes-int-or-string": True}, {"maxLength"}),
        ({"type": "string", "maxLength": 9}, set()),
    ],
)
def test_what_is_not_bounded_is_found(node: Json, found: set[str]) -> None:
    assert set(unbounded(node)) == found


def test_an_exclusive_bound_has_the_boolean_form() -> None:
    spec = schema_of(crd.recommender_model())["properties"]["spec"]["properties"]
    rate = spec["training"]["properties"]["hyperparameters"]["properties"]["learningRate"]
    assert (rate["minimum"], rate["exclusiveMinimum"], rate["maximum"]) == (0, True, 1)


def test_defaults_of_the_schema_are_those_of_the_models() -> None:
    def fill(value: Any, schema: Json) -> Any:
        if schema.get("type") == "array" and isinstance(value, list):
            return [fill(item, schema["items"]) for item in value]
        if schema.get("type") != "object" or not isinstance(value, dict):
            return value
        filled = dict(value)
        for name, child in schema.get("properties", {}).items():
            if name not in filled and "default" in child:
                filled[name] = child["default"]
            if name in filled:
                filled[name] = fill(filled[name], child)
        return filled

    requested = {
        "data": {"source": SOURCE},
        "storage": {"persistentVolumeClaim": {"claimName": "store"}},
    }
    filled = fill(requested, schema_of(crd.recommender_model())["properties"]["spec"])
    assert "gates" not in filled["evaluation"], "server-side apply would keep it beside others"
    filled["evaluation"]["gates"] = [
        {"metric": "ndcgAt10MinusBestPeer", "min": 0, "judgeBy": "BeyondChance"},
        {"metric": "logLossMinusBaseline", "max": 0, "judgeBy": "BeyondChance"},
    ]
    assert filled == RecommenderModelSpec.model_validate(requested).dump()


def test_a_partial_value_keeps_the_other_defaults() -> None:
    requested = {
        "data": {"source": SOURCE},
        "storage": {"persistentVolumeClaim": {"claimName": "store"}},
        "training": {"hyperparameters": {"epochs": 3}},
    }
    found = RecommenderModelSpec.model_validate(requested).training.hyperparameters
    assert (found.epochs, found.embedding_dim) == (3, Hyperparameters().embedding_dim)


@pytest.mark.parametrize("model", [RecommenderModelStatus, ModelVersionStatus])
def test_a_status_has_no_defaults(model: Any) -> None:
    schema = structural(model, "x", defaults=False)
    assert not [path for path, node in nodes(schema) if "default" in node]


def test_entries_with_a_name_are_a_map_without_a_default() -> None:
    maps = {
        path.removeprefix("."): node
        for path, node in nodes(schema_of(crd.recommender_model()))
        if node.get("x-kubernetes-list-type") == "map"
    }
    assert maps.keys() == rules.MAP_LISTS.keys()
    for path, node in maps.items():
        assert node["x-kubernetes-list-map-keys"] == [rules.MAP_LISTS[path]]
        assert not node.get("default"), path


def test_what_only_the_operator_writes_is_one_managed_field() -> None:
    whole = {
        (definition["spec"]["names"]["kind"], part)
        for definition in DEFINITIONS.values()
        for part, node in schema_of(definition)["properties"].items()
        if node.get("x-kubernetes-map-type") == "atomic"
    }
    assert whole == {
        ("RecommenderModel", "status"),
        ("ModelVersion", "spec"),
        ("ModelVersion", "status"),
        ("CounterBaseline", "spec"),
    }


def test_columns_show_the_rollout_at_a_glance() -> None:
    columns = crd.recommender_model()["spec"]["versions"][0]["additionalPrinterColumns"]
    shown = [c["name"] for c in columns if not c.get("priority")]
    assert shown == [
        "Ready",
        "Stage",
        "Champion",
        "Weight",
        "Candidate",
        "Candidate-Weight",
        "Last",
        "Age",
    ]
    names = {d["spec"]["names"]["shortNames"][0] for d in DEFINITIONS.values()}
    assert names == {"recm", "mver", "cbase"}
    categories = [d["spec"]["names"].get("categories") for d in DEFINITIONS.values()]
    assert categories == [["recommenders"], ["recommenders"], None]


@pytest.mark.parametrize("definition", [crd.recommender_model(), crd.version()])
def test_the_status_is_a_subresource(definition: Json) -> None:
    assert definition["spec"]["versions"][0]["subresources"] == {"status": {}}


def test_a_baseline_has_no_status() -> None:
    definition = crd.baseline()
    assert "subresources" not in definition["spec"]["versions"][0]
    assert "status" not in schema_of(definition)["properties"]


def test_every_rule_has_its_place_and_a_message() -> None:
    for definition, table in (
        (crd.recommender_model(), rules.RECOMMENDER_MODEL),
        (crd.version(), rules.MODEL_VERSION),
    ):
        found = {
            path.lstrip(".")
            for path, node in nodes(schema_of(definition))
            if "x-kubernetes-validations" in node
        }
        assert found == set(table)
    with pytest.raises(KeyError):
        rules.apply(crd.version(), {"spec.nothing": (("true", "never"),)})


def test_a_union_is_refused_because_it_is_not_structural() -> None:
    class Odd(ModelVersionSpec):
        value: int | str = 0

    with pytest.raises(ValueError, match="union"):
        structural(Odd, "x")
