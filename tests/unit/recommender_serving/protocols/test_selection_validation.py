"""A request says which items it wants; every mistake is named with the remedy."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from recommender_contract.ids import IdKind, IdKinds, hashed
from recommender_serving.domain.selection import ANY, Selection
from recommender_serving.domain.types import SessionEvent
from recommender_serving.protocols.errors import InvalidRequest
from recommender_serving.protocols.request_limits import ITEM_TENSORS, inputs
from tests.unit.recommender_serving.serving_parsing import LIMITS, NOW, tensor, v1, v2

RULED = dataclasses.replace(LIMITS, item_features=("brand", "genre"))
NAMED = dataclasses.replace(RULED, ids=IdKinds(IdKind.TEXT, IdKind.TEXT))


def rule(name: str, *values: Any) -> Any:
    return tensor(name, *values, datatype="BYTES")


def test_both_protocols_say_the_same() -> None:
    by_v1 = v1(
        RULED,
        user_id=5,
        seed_items=[1, 2],
        candidate_items=[7, 8, 7],
        excluded_items=[9, 9],
        allow={"genre": ["drama", "war"]},
        deny={"genre": ["war"], "brand": ["a"]},
    )
    by_v2 = v2(
        tensor("user_id", 5),
        tensor("seed_items", 1, 2),
        tensor("candidate_items", 7, 8, 7),
        tensor("excluded_items", 9, 9),
        rule("allow.genre", b"drama", "war"),
        rule("deny.genre", b"war"),
        rule("deny.brand", b"a"),
        limits=RULED,
    )
    assert by_v1 == by_v2
    assert by_v1.selection == Selection(
        seeds=(1, 2),
        candidates=(7, 8),
        excluded=frozenset({9}),
        allow={"genre": frozenset({"drama", "war"})},
        deny={"genre": frozenset({"war"}), "brand": frozenset({"a"})},
    )


def test_texts_are_items_too() -> None:
    by_v1 = v1(NAMED, user_id="u", seed_items=["a"], excluded_items=["b"])
    texts = [tensor(name, text, datatype="BYTES") for name, text in
             (("user_id", "u"), ("seed_items", b"a"), ("excluded_items", "b"))]  # fmt: skip
    assert v2(*texts, limits=NAMED) == by_v1
    assert by_v1.selection.seeds == (hashed("a"),)


def test_nothing_and_empty_lists_are_any_item() -> None:
    names = (*ITEM_TENSORS, "allow", "deny")
    nothing: dict[str, Any] = dict.fromkeys(names)
    assert v1(RULED, user_id=5, **nothing).selection == ANY
    empty = v1(RULED, user_id=5, seed_items=[], excluded_items=[], allow={}, deny={})
    assert empty.selection == ANY
    assert not empty.selection.restricts


def test_seeds_are_the_newest_events() -> None:
    found = v1(RULED, user_id=5, session=[{"item": 3, "timestamp": 10}], seed_items=[1, 2])
    assert found.session == (
        SessionEvent(3, 10),
        SessionEvent(1, NOW - 1),
        SessionEvent(2, NOW - 1),
    )


@pytest.mark.parametrize("wish", [{"seed_items": [1]}, {"session": [{"item": 1}]}])
def test_a_session_or_seeds_need_no_user(wish: dict[str, Any]) -> None:
    assert v1(RULED, **wish).user_id == -1


@pytest.mark.parametrize("wish", [{}, {"seed_items": []}, {"candidate_items": [1]}])
def test_other_wishes_need_a_user(wish: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="user_id: got None; give the user id, or a session"):
        v1(RULED, **wish)


@pytest.mark.parametrize(
    ("wish", "remedy"),
    [
        ({"seed_items": 1}, "seed_items: got 1; give a list of at most 20 item ids"),
        ({"seed_items": [1] * 21}, "seed_items: got '21 items'; give a list of at most 20"),
        ({"seed_items": ["a"]}, "seed_items[0]: got 'a'; give a whole number"),
        ({"seed_items": [None]}, "seed_items[0]: got None; give an item id"),
        ({"seed_items": [-1]}, "seed_items[0]: got -1; -1 is reserved"),
        ({"candidate_items": []}, "candidate_items: got []; give at least one item, or leave"),
        ({"candidate_items": [True]}, "candidate_items[0]: got True; give a whole number"),
        ({"excluded_items": [1] * 1001}, "excluded_items: got '1001 items'; give a list of at"),
        ({"excluded_items": {"a": 1}}, "excluded_items: got {'a': 1}; give a list"),
        ({"allow": ["drama"]}, "allow: got ['drama']; give an object of lists of categories"),
        ({"allow": {"gener": ["a"]}}, "allow.gener: got ['a']; did you mean genre? the features"),
        ({"deny": {"year": [1]}}, "deny.year: got [1]; the features of items are brand, genre"),
        ({"allow": {"genre": []}}, "allow.genre: got []; give a list of 1 to 50 categories"),
        ({"allow": {"genre": "drama"}}, "allow.genre: got 'drama'; give a list of 1 to 50"),
        ({"allow": {"genre": ["a"] * 51}}, "give a list of 1 to 50 categories"),
        ({"deny": {"genre": [7]}}, "deny.genre[0]: got 7; give a string of 1 to 200 characters"),
        ({"deny": {"genre": [None]}}, "deny.genre[0]: got None; give a category"),
        ({"alow": {}}, "did you mean allow?"),
    ],
)
def test_a_mistake_is_refused_with_its_name_and_the_remedy(
    wish: dict[str, Any], remedy: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        v1(RULED, user_id=5, **wish)
    assert f"instances[0].{next(iter(wish))}" in str(refused.value)
    assert remedy in str(refused.value)


@pytest.mark.parametrize(
    ("sent", "remedy"),
    [
        (rule("allow.gener", "a"), "allow.gener: got [1]; did you mean allow.genre?"),
        (tensor("seed_items", 1, datatype="INT32"), "send it as INT64"),
        (tensor("seed_items", *range(21)), "seed_items: got '21 items'"),
        (rule("deny.genre", b"\xff"), "deny.genre[0]: got b'\\xff'; give UTF-8"),
    ],
)
def test_a_mistake_in_a_tensor_is_refused_with_the_remedy(sent: Any, remedy: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        v2(tensor("user_id", 5), sent, limits=RULED)
    assert remedy in str(refused.value)


def test_a_boolean_is_a_category() -> None:
    found = v1(RULED, user_id=5, allow={"brand": [True, False]})
    assert found.selection.allow == {"brand": frozenset({"true", "false"})}


def test_a_version_without_item_features_says_so() -> None:
    with pytest.raises(InvalidRequest, match=r"allow\.genre: .*; items have none here"):
        v1(LIMITS, user_id=5, allow={"genre": ["a"]})


def test_the_metadata_describe_the_wishes() -> None:
    shapes = {each.name: (each.datatype, each.shape) for each in inputs(RULED)}
    for name in ITEM_TENSORS:
        assert shapes[name] == ("INT64", (-1,))
    for name in ("allow.brand", "allow.genre", "deny.brand", "deny.genre"):
        assert shapes[name] == ("BYTES", (-1,))
    assert {each.name: each.datatype for each in inputs(NAMED)}["seed_items"] == "BYTES"


def test_a_declared_feature_keeps_its_name() -> None:
    feature = dataclasses.replace(LIMITS.features["gender"], name="seed_items")
    limits = dataclasses.replace(RULED, features={"seed_items": feature})
    found = v2(tensor("user_id", 5), rule("seed_items", "M"), limits=limits)
    assert found.features == {"seed_items": "M"}
    assert found.selection == ANY
