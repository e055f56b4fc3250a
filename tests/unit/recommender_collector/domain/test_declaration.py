"""What the resources declare of their models, as the collector reads it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from recommender_collector.domain.declaration import DeclarationError, parse_declaration
from recommender_contract.events import Kind
from tests.unit.recommender_collector.collector_samples import MAPPING, mapping, model


def test_the_mapping_of_a_resource_is_taken_as_it_is() -> None:
    columns = model().mapping.interactions
    assert (columns.user, columns.item, columns.timestamp) == ("user_id", "item_id", "time")
    assert [each.name for each in model().mapping.of_context] == ["device", "slot", "logged_in"]


def test_kinds_among_the_event_types_are_interactions_with_their_value() -> None:
    values = model().values
    assert values == {Kind.CLICK: 3.0, Kind.PURCHASE: 5.0, Kind.DWELL: None}


def test_a_type_without_a_value_gets_the_best_one_if_it_is_positive_as_in_training() -> None:
    types = [{"type": "click"}, {"type": "purchase"}, {"type": "visit", "value": 2}]
    section = mapping(value=None, eventTypes=types) | {
        "label": {"positiveTypes": [{"type": "purchase"}]}
    }
    assert model(section).values == {Kind.CLICK: 1.0, Kind.PURCHASE: 5.0, Kind.VISIT: 2.0}
    rated = section | {"interactions": section["interactions"] | {"value": "rating"}}
    assert model(rated).values == {Kind.CLICK: None, Kind.PURCHASE: None, Kind.VISIT: 2.0}


def test_interactions_can_be_declared_for_a_mapping_without_event_types() -> None:
    plain = mapping(eventType=None, eventTypes=None)
    assert model(plain, interactions={"click": 1}).values == {Kind.CLICK: 1.0}


@pytest.mark.parametrize(
    ("impressions", "acts"),
    [
        (["impression"], {Kind.VISIT, Kind.CLICK}),
        (["impression", "visit"], {Kind.IMPRESSION, Kind.VISIT, Kind.CLICK}),
        (["visit"], {Kind.IMPRESSION, Kind.VISIT, Kind.CLICK}),
        (["impression", "click"], {Kind.VISIT, Kind.CLICK}),
        (["impression", "visit", "click"], {Kind.CLICK}),
    ],
)
def test_items_that_were_only_shown_are_interactions_but_no_acts(
    impressions: list[str], acts: set[Kind]
) -> None:
    types = [{"type": kind, "value": 1} for kind in ("impression", "visit", "click")]
    attribution = {"impressions": impressions, "hours": 1}
    label = {"positiveTypes": [{"type": "click"}], "attribution": attribution}
    found = model({**mapping(eventTypes=types), "label": label})
    assert set(found.values) == {Kind.IMPRESSION, Kind.VISIT, Kind.CLICK}
    assert set(found.acts) == acts


def test_without_a_label_all_interactions_are_acts() -> None:
    assert model().acts == model().values


def _declared(**settings: Any) -> bytes:
    return orjson.dumps({"models": {"shop": {"mapping": MAPPING, **settings}}})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (b"{", "not JSON"),
        (b"{}", "models"),
        (b'{"models": {}}', "models"),
        (orjson.dumps({"models": {"Shop!": {"mapping": MAPPING}}}), "Shop!"),
        (_declared(maxAgeSeconds=1), "maxAgeSeconds"),
        (_declared(maxAge=100), "maxAge"),
        (_declared(interactions={"clack": 1}), "clack"),
        (_declared(interactions={"basket": 1}), "basket"),
        (orjson.dumps({"models": {"a": {"mapping": mapping(eventTypes=None)}}}), "interactions"),
        (
            orjson.dumps(
                {"models": {"a": {"hashUsers": True, "mapping": {**MAPPING, "ids": {}}}}}
            ),
            "hashUsers needs mapping.ids.user: Text",
        ),
    ],
)
def test_an_invalid_declaration_is_refused_by_name(text: bytes, named: str) -> None:
    with pytest.raises(DeclarationError, match=named):
        parse_declaration(text)
