"""Requests of lines are read as the endpoint reads them; an error names field, value, remedy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recommender_contract import ids
from recommender_contract.ids import INTEGERS, IdKind, IdKinds
from recommender_training.answers.requests import BadRequestError, RequestReader

NOW = 1_000
VOCABULARY: dict[str, Any] = {
    "maxTopN": 200,
    "features": [
        {"name": "copy", "of": "user", "kind": "Numeric", "minimum": 18, "edges": []},
        {"name": "slot", "of": "context", "kind": "Categorical", "categories": ["a"],
         "servedAs": "a"},
    ],
    "items": {"ids": [1], "features": [{"name": "tag"}]},
}  # fmt: skip
READER = RequestReader(VOCABULARY, INTEGERS, 10, NOW)


def read(**body: Any) -> Any:
    return READER.read(json.dumps(body))


def test_absent_fields_are_those_of_the_command() -> None:
    asked = read(user_id=7)
    assert (asked.request["timestamp"], asked.request["top_n"]) == (NOW, 10)
    assert asked.request["session"] == []


def test_events_without_times_happened_just_before_and_seeds_are_the_newest() -> None:
    asked = read(session=[{"item": 5}, {"item": 6, "value": 2}], seed_items=[8, 8])
    times = [(event["item"], event["timestamp"]) for event in asked.request["session"]]
    assert times == [(5, NOW - 2), (6, NOW - 1), (8, NOW - 1)]
    assert (asked.user, asked.request["user_id"], asked.seeds) == (None, -1, {8})


def test_events_are_ordered_by_time() -> None:
    asked = read(user_id=1, session=[{"item": 5, "timestamp": 9}, {"item": 6, "timestamp": 3}])
    assert [event["item"] for event in asked.request["session"]] == [6, 5]


def test_text_ids_become_their_hashes_and_the_user_stays_as_given() -> None:
    reader = RequestReader(VOCABULARY, IdKinds(IdKind.TEXT, IdKind.TEXT), 10, NOW)
    asked = reader.read('{"user_id": "ü", "candidate_items": ["a", "b", "a"]}')
    assert (asked.user, asked.request["user_id"]) == ("ü", ids.hashed("ü"))
    assert asked.selection.candidates == (ids.hashed("a"), ids.hashed("b"))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"usr_id": 1}, "usr_id=1: unknown field; did you mean user_id?"),
        ({"user_id": 1, "top_n": 500}, "top_n=500: Input should be less than or equal to 200"),
        ({"user_id": 1, "user": {"copy": 3}}, "user.copy=3: Input should be greater than or"),
        ({"user_id": 1, "user": {"field_0": 20}}, "user.field_0=20: unknown field"),
        ({"user_id": 1, "context": {"slot": "a"}}, "context.slot='a': unknown field"),
        ({"user_id": 1, "excluded_items": [-1]}, "excluded_items.0=-1: Value error, -1 is"),
        ({"user_id": 1, "allow": {"tag": None}}, "allow.tag=None: Input should be a valid array"),
        ({}, "user_id: required; give the user id, or a session"),
        ({"session": [{"item": 1}, {"item": 2, "timestamp": 3}]}, "session: 1 of 2 events have"),
    ],
)
def test_a_bad_field_is_refused_with_its_value_and_the_remedy(body: Any, error: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        read(**body)
    assert str(refused.value).startswith(error)


@pytest.mark.parametrize("line", ["{", "[1]", "7", '{"user_id": NaN}', "\xff", "[" * 9000])
def test_what_is_no_request_at_all_is_refused(line: str) -> None:
    with pytest.raises(BadRequestError):
        READER.read(line.encode("latin-1"))


def test_an_error_stays_short() -> None:
    with pytest.raises(BadRequestError) as refused:
        read(user_id=1, session=[{"item": "x" * 500}] * 400)
    assert len(str(refused.value)) <= 600
