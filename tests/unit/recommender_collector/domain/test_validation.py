"""Events are checked against the declaration."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.events import Event
from recommender_collector.domain.lines import entry_of, line_of
from recommender_collector.domain.pseudonyms import Pseudonyms
from recommender_collector.domain.validation import FIELDS, Rules, event_of
from recommender_contract.events import Kind, Source
from tests.unit.recommender_collector.collector_samples import (
    MAPPING,
    NOW,
    click,
    mapping,
    model,
    rules,
)

NUMBERS = {**MAPPING, "ids": {"user": "Integer", "item": "Integer"}}


def test_a_click_becomes_an_event() -> None:
    raw = click(time=NOW - 5, request="r1", session="s1", context={"device": "phone", "slot": 2})
    assert event_of(raw, rules(), NOW) == Event(
        "e1", Kind.CLICK, "ada", ("tea",), int((NOW - 5) * 1000), None, "r1", "s1", None,
        {"device": "phone", "slot": 2},
    )  # fmt: skip


@pytest.mark.parametrize(
    "raw",
    [
        {"kind": "impression", "items": ["tea", "cup"]},
        {"kind": "impression", "item": "tea"},
        {"kind": "visit"},
        {"kind": "visit", "item": "tea"},
        {"kind": "search", "query": "red shoes"},
        {"kind": "basket", "item": "tea"},
        {"kind": "purchase", "item": "tea", "value": 0},
        {"kind": "dwell", "item": "tea", "value": 12.5},
        {"kind": "dislike", "item": "tea", "context": {"logged_in": False}},
        {"kind": "click", "item": "tea", "context": {"device": None}},
        {"kind": "click", "item": "tea", "model": "shop", "time": "2026-11-18T11:00:00Z"},
        {"kind": "click", "item": "Ä" * 100},
    ],
)
def test_every_kind_of_event_is_accepted(raw: dict[str, Any]) -> None:
    event = event_of({"id": "e1", "user": "ada", **raw}, rules(), NOW)
    assert event.kind == raw["kind"]


SEVERAL = rules(
    mapping(
        features=[
            {"name": "words", "kind": "MultiCategorical", "separator": " ", "maxPerRow": 2},
            {"name": "query", "kind": "Embedding", "length": 2},
        ]
    )
)


def test_a_context_may_have_lists_of_categories_and_of_numbers() -> None:
    said = {"words": ["red", "shoes"], "query": [0.5, -2]}
    event = event_of(click(context=said), SEVERAL, NOW)
    assert event.context == said
    assert entry_of(line_of(event)) == event
    assert event_of(click(context={"words": []}), SEVERAL, NOW).context is None


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ({"words": "red"}, "give a list of at most 2 texts of 1 to 64 characters"),
        ({"words": ["a", "b", "c"]}, "give a list of at most 2 different categories"),
        ({"words": ["a b c"]}, "give a list of at most 2 different categories"),
        ({"words": ["a", "b" * 65]}, "give categories of 1 to 64 characters"),
        ({"words": ["a", "b" * 131]}, "give a string of at most 130 characters"),
        ({"words": ["a", None]}, "a list has no nulls: leave the entry out"),
        ({"words": ["a", "b\n"]}, "give printable characters"),
        ({"query": [1.0]}, "give a list of 2 finite numbers"),
        ({"query": [1.0, True]}, "give a list of 2 finite numbers"),
        ({"query": [1.0, math.nan]}, "give a list of 2 finite numbers"),
        ({"query": [1.0, 1e31]}, "give a list of 2 finite numbers"),
    ],
)
def test_a_list_that_training_would_quarantine_is_refused_by_name(
    said: dict[str, Any], remedy: str
) -> None:
    (name,) = said
    with pytest.raises(InvalidEvent, match=remedy) as error:
        event_of(click(context=said), SEVERAL, NOW)
    assert f"context.{name}" in str(error.value)


@pytest.mark.parametrize(
    ("field", "raw"),
    [
        ("event", None),
        ("event", [1]),
        ("kind", click(kind=None)),
        ("kind", click(kind="clack")),
        ("kind", click(kind=["click"])),
        ("itm", click(itm="tea")),
        ("id", click(id=None)),
        ("id", click(id=7)),
        ("id", click(id="")),
        ("id", click(id="e" * 257)),
        ("id", click(id="a\nb")),
        ("user", click(user=None)),
        ("user", click(user=7)),
        ("user", click(user="")),
        ("user", click(user="a" * 257)),
        ("user", click(user="a\x00b")),
        ("item", click(item=None)),
        ("item", click(item=5)),
        ("items", click(items=["tea"])),
        ("items", click(kind="impression", items=["tea"])),
        ("items", {"id": "e", "user": "u", "kind": "impression"}),
        ("items", {"id": "e", "user": "u", "kind": "impression", "items": []}),
        ("items", {"id": "e", "user": "u", "kind": "impression", "items": ["i"] * 501}),
        ("items[1]", {"id": "e", "user": "u", "kind": "impression", "items": ["i", 7]}),
        ("time", click(time="yesterday")),
        ("time", click(time="2026-11-18T12:00:00")),
        ("time", click(time=True)),
        ("time", click(time=-1)),
        ("time", click(time=NOW * 1000)),
        ("time", click(time=NOW + 301)),
        ("time", click(time=NOW - 86_401)),
        ("value", click(value="3")),
        ("value", click(value=True)),
        ("value", click(value=1e13)),
        ("value", click(kind="purchase")),
        ("value", click(kind="purchase", value=-1)),
        ("value", click(kind="dwell", value=86_401)),
        ("query", click(query="tea")),
        ("query", {"id": "e", "user": "u", "kind": "search"}),
        ("query", {"id": "e", "user": "u", "kind": "search", "query": "a" * 257}),
        ("query", {"id": "e", "user": "u", "kind": "search", "query": "a\x07"}),
        ("request", click(request=5)),
        ("session", click(session="s" * 129)),
        ("version", click(version="")),
        ("version", click(version=3)),
        ("path", click(path="oracle")),
        ("path", click(path=["model"])),
        ("hashed", click(hashed="yes")),
        ("hashed", click(hashed=[])),
        ("context", click(context=[])),
        ("context.weather", click(context={"weather": "rain"})),
        ("context.device", click(context={"device": 5})),
        ("context.device", click(context={"device": "x" * 65})),
        ("context.slot", click(context={"slot": 21})),
        ("context.slot", click(context={"slot": True})),
        ("context.logged_in", click(context={"logged_in": "yes"})),
    ],
)
def test_an_invalid_event_names_the_field_the_value_and_the_remedy(field: str, raw: Any) -> None:
    with pytest.raises(InvalidEvent) as caught:
        event_of(raw, rules(), NOW)
    assert caught.value.field == field
    said = str(caught.value)
    assert said.startswith(f"{field}: got ")
    assert len(said.partition("; ")[2]) > 10
    assert len(said) < 400


@pytest.mark.parametrize("user", [-1, 1.0, True, "7", 10**18])
def test_a_number_as_an_id_is_whole_and_within_what_ingestion_takes(user: object) -> None:
    with pytest.raises(InvalidEvent, match="user: got"):
        event_of(click(user=user, item=1), rules(NUMBERS), NOW)
    assert event_of(click(user=10**18 - 1, item=0), rules(NUMBERS), NOW).items == (0,)


def test_the_misspelt_field_is_guessed() -> None:
    with pytest.raises(InvalidEvent, match="did you mean session"):
        event_of(click(sesion="s"), rules(), NOW)


@pytest.mark.parametrize("time", [None, NOW + 300, NOW])
def test_an_event_without_a_time_or_ahead_happened_when_it_was_received(time: object) -> None:
    assert event_of(click(time=time), rules(), NOW).time == NOW * 1000


def test_the_bounds_of_time_are_declared() -> None:
    strict = rules(maxAgeSeconds=60, maxAheadSeconds=0)
    for time in (NOW + 1, NOW - 61):
        with pytest.raises(InvalidEvent, match="time"):
            event_of(click(time=time), strict, NOW)
    assert event_of(click(time=NOW - 60), strict, NOW).time == (NOW - 60) * 1000


def test_a_hashed_user_is_the_hash_everywhere() -> None:
    pseudonym = Pseudonyms(b"0123456789abcdef")
    hashed = Rules(model(hashUsers=True), pseudonym)
    event = event_of(click(), hashed, NOW)
    assert event.user == pseudonym("ada")
    assert "ada" not in repr(event)


def test_a_hash_is_not_hashed_again_and_nothing_else_passes_for_one() -> None:
    pseudonym = Pseudonyms(b"0123456789abcdef")
    hashing = Rules(model(hashUsers=True), pseudonym)
    given = pseudonym("ada")
    assert event_of(click(user=given, hashed=True), hashing, NOW).user == given
    assert event_of(click(hashed=False), hashing, NOW).user == given
    for raw in ("ada", given[:-1], given.upper(), given + "\n"):
        with pytest.raises(InvalidEvent) as refused:
            event_of(click(user=raw, hashed=True), hashing, NOW)
        assert refused.value.field == "user"
    assert event_of(click(hashed=True), rules(), NOW).user == "ada"


def test_an_answer_without_items_is_an_impression_in_an_experiment_alone() -> None:
    told = {"id": "e", "user": "u", "kind": "impression", "items": []}
    exposure = {"experiment": "0a1b2c3d", "phase": 1, "arm": "shop-0a1b2c3d", "cap": 100}
    event = event_of(told | exposure, rules(), NOW)
    assert event.items == ()
    assert entry_of(line_of(event)) == event
    for more in ({}, {"experiment": None}, exposure | {"kind": "click"}):
        with pytest.raises(InvalidEvent) as refused:
            event_of(told | more, rules(), NOW)
        assert refused.value.field == "items"


def test_an_event_says_what_answered_its_request() -> None:
    event = event_of(click(version="shop-1", path="popularity"), rules(), NOW)
    assert (event.version, event.path) == ("shop-1", Source.POPULARITY)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
likely = st.fixed_dictionaries(
    {"id": st.text("ab", min_size=1, max_size=3), "kind": st.sampled_from([*Kind])},
    optional={
        name: st.sampled_from(["tea", 5, NOW, ["tea"], {"device": "phone"}]) | values
        for name in FIELDS
        if name not in ("id", "kind")
    },
)


@given(likely | values)
def test_whatever_is_sent_is_a_valid_event_or_refused(raw: object) -> None:
    with contextlib.suppress(InvalidEvent):
        event = event_of(raw, rules(), NOW)
        assert entry_of(line_of(event)) == event
        assert NOW - 86_400 <= event.time / 1000 <= NOW
