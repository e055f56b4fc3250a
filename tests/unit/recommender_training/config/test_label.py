"""A label that contradicts itself, or the mapping, is refused with field, value and remedy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from recommender_operator.api import spec_label
from recommender_operator.api.spec_mapping import DataMapping
from recommender_training.common.errors import InputError
from recommender_training.config import label
from recommender_training.ingestion.mapping import Format
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests.mapped_files import INTERACTIONS

VIEW_AND_BUY = INTERACTIONS | {
    "eventType": "event",
    "eventTypes": [{"type": "view", "value": 2}, {"type": "buy", "value": 5}],
}
BUY: dict[str, Any] = {"positiveTypes": [{"type": "buy"}]}
SHOWN: dict[str, Any] = {"attribution": {"impressions": ["view"], "hours": 24}}
DRAWN: dict[str, Any] = {"negatives": {"perPositive": 2, "by": "Uniform", "seed": 7}}
RATE: dict[str, Any] = {"positiveRate": 0.01}
WEIGHTED: dict[str, Any] = {"positiveTypes": [{"type": "buy", "weight": 5}]}


def parsed(section: dict[str, Any], interactions: dict[str, Any] = VIEW_AND_BUY) -> Any:
    text = json.dumps({"interactions": interactions, "label": section})
    found = parse_mapping(text, Format.CSV)
    assert found is not None
    return found.label


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"minimumValue": 3, **BUY}, "minimumValue and positiveTypes exclude each other"),
        ({"minimumValue": 6}, "label.minimumValue=6: Input should be less than or equal to 5"),
        ({"positiveTypes": [{"type": "buy"}] * 2}, "positiveTypes has a duplicate"),
        ({"positiveTypes": [{"type": "buy", "weight": 0}]}, "label.positiveTypes.0.weight=0"),
        ({"positiveTypes": [{"type": "gift"}]}, "'gift' is not in interactions.eventTypes"),
        (SHOWN, "attribution needs positiveTypes"),
        (
            BUY | {"attribution": {"impressions": ["seen"], "hours": 1}},
            "'seen' is not in interactions.eventTypes",
        ),
        (
            BUY | {"attribution": {"impressions": ["view", "view"], "hours": 1}},
            "attribution.impressions has a duplicate",
        ),
        (BUY | {"attribution": {"impressions": ["view"], "hours": 0}}, "attribution.hours=0"),
        (BUY | {"attribution": {"impressions": [], "hours": 1}}, "attribution.impressions='[]'"),
        (BUY | SHOWN | DRAWN | RATE, "negatives and attribution exclude each other"),
        (DRAWN, "negatives needs positiveRate"),
        ({"negatives": {"perPositive": 0}, **RATE}, "label.negatives.perPositive=0"),
        ({"positiveRate": 1}, "label.positiveRate=1"),
        ({"positive": ["buy"]}, "; did you mean positiveRate? the fields are minimumValue, "),
    ],
)
def test_an_invalid_label_is_refused_with_its_field(section: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        parsed(section)
    assert caught.value.reason == "InvalidMapping"
    assert message in caught.value.message


def test_types_need_the_column_of_the_types() -> None:
    with pytest.raises(InputError, match=r"need interactions\.eventType, their column"):
        parsed(BUY, INTERACTIONS)


def test_any_type_may_be_positive_where_all_types_are_allowed() -> None:
    found = parsed(BUY, INTERACTIONS | {"eventType": "event"})
    assert found.types == ("buy",)


@pytest.mark.parametrize(
    "section", [{"minimumValue": 3.5} | RATE, WEIGHTED | SHOWN, WEIGHTED | DRAWN | RATE]
)
def test_the_command_accepts_the_label_of_the_operator(section: dict[str, Any]) -> None:
    request = DataMapping.model_validate({"interactions": VIEW_AND_BUY, "label": section})
    assert request.label is not None
    assert request.label.model_dump(exclude_defaults=True, exclude_none=True, mode="json") == (
        parsed(section).model_dump(exclude_defaults=True, by_alias=True, mode="json")
    )


@pytest.mark.parametrize("name", ["Label", "PositiveType", "Attribution", "Negatives"])
def test_the_settings_and_limits_of_both_sides_are_the_same(name: str) -> None:
    ours, theirs = (getattr(side, name) for side in (label, spec_label))
    assert {to_camel(field) for field in ours.model_fields} == {
        to_camel(field) for field in theirs.model_fields
    }
    schemas = (each.model_json_schema(by_alias=True) for each in (ours, theirs))
    our, their = ({n: _limits(p) for n, p in s["properties"].items()} for s in schemas)
    assert our == their
    assert {e.value for e in label.NegativesBy} == {e.value for e in spec_label.NegativesBy}


def _limits(node: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for option in (node, *node.get("anyOf", ())):
        keys = (
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "maxLength",
            "maxItems",
            "minLength",
        )
        found |= {key: option[key] for key in keys if key in option}
        if "items" in option and "$ref" not in option["items"]:
            found["items"] = _limits(option["items"])
    default = node.get("default")
    return found | {"default": None if default == [] else default}


def test_a_window_is_counted_in_whole_seconds() -> None:
    assert label.Attribution(impressions=("view",), hours=0.5).seconds == 1800
    assert label.Attribution(impressions=("view",), hours=1e-6).seconds == 1
