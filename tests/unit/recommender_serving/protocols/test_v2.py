"""Inputs of the v2 protocol are taken as they are meant, or refused by name with the remedy."""

from __future__ import annotations

import math
from typing import Any

import pytest

from recommender_serving.protocols.errors import InvalidRequest
from recommender_serving.protocols.request_limits import DATATYPES, SESSION_TENSORS
from recommender_serving.protocols.v2_messages import NamedTensor
from tests.unit.recommender_serving.serving_parsing import SHOP_LIMITS, tensor, v1, v2

BAD_TENSORS: list[tuple[Any, str]] = [
    (tensor("age", 24, datatype="UINT8"), "send it as FP64 or FP32 or INT64 or INT32"),
    (tensor("gender", "M", datatype="FP64"), "gender: got 'datatype FP64'; send it as BYTES"),
    (tensor("top_n", 3, datatype="INT32"), "top_n: got 'datatype INT32'; send it as INT64"),
    (NamedTensor("agee", "FP64", [1], [24.0]), "agee: got [1]; did you mean age?"),
    (NamedTensor("user.age", "FP64", [1], [24.0]), "user.age: got [1]; did you mean age?"),
    (tensor("age", 24, shape=[2]), "shape [1]"),
    (tensor("age", 24, 25), "shape [1]"),
    (tensor("age", 24, 25, shape=[2, 1]), "one request a call"),
    (tensor("age", None), "leave out"),
    (tensor("age", 24.5, datatype="INT64"), "give a whole number, or send it as FP64"),
    (tensor("age", 121.0), "give a finite number from 0 to 120"),
    (tensor("gender", b"\xff"), "UTF-8"),
    (tensor("user_id", 2), "give each input once"),
    (tensor("session_timestamps", 5), "give 0 values, as many as session_items has"),
    (tensor("session_items", *range(7)), "give at most 6"),
    (tensor("session_items", None), "leave out"),
    (tensor("session_items", -1), "session_items[0]: got -1"),
    (tensor("session_items", 1, shape=[1, 1, 1]), "shape [n]"),
    (tensor("session_items", [1]), "64-bit"),
    (NamedTensor("usr_id", "INT64", [1], [1]), "did you mean user_id"),
]


@pytest.mark.parametrize(("bad", "remedy"), BAD_TENSORS)
def test_a_bad_tensor_is_refused_with_its_name(bad: NamedTensor, remedy: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        v2(tensor("user_id", 1), bad)
    assert bad.name in str(refused.value)
    assert remedy in str(refused.value)


def test_a_v2_request_without_a_user_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="user_id: got None; give the user id"):
        v2(tensor("top_n", 3))


def test_a_batch_dimension_of_one_is_accepted() -> None:
    request = v2(tensor("user_id", 5, shape=[1, 1]), tensor("session_items", 1, 2, shape=[1, 2]))
    assert (request.user_id, len(request.session)) == (5, 2)


@pytest.mark.parametrize(
    ("datatype", "value"),
    [("FP64", 24.0), ("FP64", 24), ("FP32", 24.0), ("INT64", 24), ("INT32", 24)],
)
def test_a_number_is_taken_in_every_numeric_datatype(datatype: str, value: float) -> None:
    request = v2(tensor("user_id", 1), tensor("age", value, datatype=datatype))
    assert request.features == {"age": 24.0}


def test_both_protocols_give_the_same_features_of_any_declaration() -> None:
    by_v1 = v1(
        SHOP_LIMITS,
        user_id=1,
        user={"member": False, "plan": "gold", "spend": -1.5},
        context={"device": "phone", "logged_in": True, "hour": 0},
    )
    by_v2 = v2(
        tensor("user_id", 1),
        tensor("member", False),
        tensor("plan", b"gold"),
        tensor("spend", -1.5),
        tensor("device", "phone"),
        tensor("logged_in", True),
        tensor("hour", 0, datatype="INT32"),
        limits=SHOP_LIMITS,
    )
    assert by_v1 == by_v2
    assert (by_v1.features["member"], by_v1.features["logged_in"]) == ("false", "true")


@pytest.mark.parametrize(
    ("bad", "remedy"),
    [
        (NamedTensor("position", "FP64", [1], [3.0]), "it is set by the version (servedAs 1)"),
        (tensor("member", 1), "member: got 1; give true or false"),
        (tensor("member", "true", datatype="BYTES"), "send it as BOOL"),
        (tensor("hour", -1), "hour: got -1; give a finite number of at least 0"),
        (tensor("spend", math.nan), "spend: got nan; give a finite number from -1e+30 to 1e+30"),
        (tensor("spend", 10**400), "give a finite number from"),
        (tensor("spend", True), "spend: got True; give a finite number"),
        (tensor("plan", ""), "1 to 64 characters"),
    ],
)
def test_a_bad_feature_is_refused_with_its_name(bad: NamedTensor, remedy: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        v2(tensor("user_id", 1), bad, limits=SHOP_LIMITS)
    assert bad.name in str(refused.value)
    assert remedy in str(refused.value)


def test_the_session_tensors_are_among_the_inputs() -> None:
    assert set(SESSION_TENSORS) < set(DATATYPES)
