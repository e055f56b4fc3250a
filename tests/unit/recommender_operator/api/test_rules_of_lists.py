"""The rules of features with several values, evaluated as CEL."""

from __future__ import annotations

from typing import Any

import celpy
import celpy.adapter
import pytest
from celpy import celtypes

from recommender_contract.events import MAX_BODY
from recommender_contract.features import MOST_LISTED
from recommender_operator.api import rules_experiment, rules_features

(NO_LISTS,) = [
    rule
    for rule, text in rules_experiment.SPEC
    if "must not name a MultiCategorical, an Embedding" in text
]
(ROOM,) = [
    rule
    for rule, text in rules_features.rules()["interactions.features"]
    if "must sum to at most" in text
]


def total(numbers: Any) -> Any:
    """The function `sum` of Kubernetes, which the Python one lacks."""
    return celtypes.IntType(sum(numbers))


def evaluated(rule: str, value: Any) -> Any:
    environment = celpy.Environment()
    found = environment.program(environment.compile(rule), functions={"sum": total})
    return found.evaluate({"self": celpy.adapter.json_to_cel(value)})


def spec(segments: list[str], **tables: list[dict[str, Any]]) -> dict[str, Any]:
    mapping: dict[str, Any] = {"interactions": {}} | {
        table: {"features": features} for table, features in tables.items()
    }
    return {
        "data": {"source": {"mapping": mapping}},
        "rollout": {"experiment": {"segments": [{"feature": name} for name in segments]}},
    }


DEVICE = {"name": "device", "kind": "Categorical"}


@pytest.mark.parametrize("kind", ["MultiCategorical", "Embedding"])
@pytest.mark.parametrize("table", ["users", "interactions"])
def test_an_experiment_is_not_divided_by_a_list(kind: str, table: str) -> None:
    body = spec(["device", "tags"], **{table: [DEVICE, {"name": "tags", "kind": kind}]})
    assert not evaluated(NO_LISTS, body)


def test_an_experiment_is_not_divided_by_what_versions_may_read_with_different_calendars() -> None:
    joined = {"name": "joined", "kind": "Timestamp"}
    assert evaluated(NO_LISTS, spec(["joined"], users=[joined]))
    assert not evaluated(NO_LISTS, spec(["joined"], users=[joined | {"calendar": "Month"}]))


@pytest.mark.parametrize(
    "body",
    [
        spec(["device"], users=[DEVICE, {"name": "tags", "kind": "Embedding"}]),
        spec(["device"], items=[{"name": "device", "kind": "MultiCategorical"}]),
        spec(["device"]),
        spec([]),
        {"data": {"source": {}}, "rollout": {"experiment": {"segments": [{"feature": "age"}]}}},
        {"data": {"source": {"mapping": {"interactions": {}}}}, "rollout": {"experiment": {}}},
        {"data": {"source": {"mapping": {"interactions": {}}}}, "rollout": {}},
        {"data": {"source": {}}},
    ],
)
def test_an_experiment_may_be_divided_by_anything_else(body: dict[str, Any]) -> None:
    assert evaluated(NO_LISTS, body)


def words(count: int, **settings: Any) -> list[dict[str, Any]]:
    return [{"kind": "MultiCategorical", **settings} for _ in range(count)]


def vectors(*lengths: int) -> list[dict[str, Any]]:
    return [{"kind": "Embedding", "length": length} for length in lengths]


@pytest.mark.parametrize(
    ("features", "fits"),
    [
        (vectors(1024, 1024, 1024, 1024), True),
        (vectors(1024, 1024, 1024, 1024, 1), False),
        ([*vectors(1024, 1024, 1024, 1008), *words(1)], True),
        ([*vectors(1024, 1024, 1024, 1009), *words(1)], False),
        ([*vectors(1024, 1024, 1024), *words(16, maxPerRow=64)], True),
        ([*vectors(1024, 1024, 1024), *words(17, maxPerRow=64)], False),
        ([{"kind": "Numeric"}] * 50, True),
        (words(50, maxPerRow=64), True),
    ],
)
def test_an_event_has_room_for_the_lists_of_a_context(
    features: list[dict[str, Any]], fits: bool
) -> None:
    assert bool(evaluated(ROOM, features)) is fits


@pytest.mark.parametrize("table", ["users", "interactions"])
def test_no_separator_of_requests_is_what_whitespace_becomes(table: str) -> None:
    ((rule, text),) = separators(table)
    assert text.startswith(f"separator in mapping.{table}.features must not contain '-'")
    for separator, is_kept in {"-": False, " - ": False, "|": True, " ": True}.items():
        assert bool(evaluated(rule, {"separator": separator})) is is_kept, separator
    assert evaluated(rule, {"name": "tags"})
    assert not separators("items"), "these are read from files alone"


def separators(table: str) -> list[tuple[str, str]]:
    """The rules of what a separator contains."""
    found = rules_features.rules()[f"{table}.features[]"]
    return [(rule, text) for rule, text in found if "must not contain '-'" in text]


def test_an_event_has_room_for_the_most_listed_values() -> None:
    categories, numbers = 50 * 64, MOST_LISTED - 50 * 64
    items = 500 * (256 + 3)
    assert categories * (64 * 4 + 3) + numbers * 25 + items < MAX_BODY
