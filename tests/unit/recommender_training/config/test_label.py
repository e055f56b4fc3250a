"""A label that contradicts itself, or the mapping, is refused with field, value and remedy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recommender_contract.resource.label import Attribution
from recommender_contract.resource.mapping import Format
from recommender_training.common.errors import InputError
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


def test_a_window_is_counted_in_whole_seconds() -> None:
    assert Attribution(impressions=("view",), hours=0.5).seconds == 1800
    assert Attribution(impressions=("view",), hours=1e-6).seconds == 1
