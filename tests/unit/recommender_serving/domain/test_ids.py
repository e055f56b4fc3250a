"""Ids that are texts: taken byte for byte, or refused with the remedy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract import ids
from recommender_contract.ids import IdKind, IdKinds
from recommender_serving.domain.types import RecommendRequest, SessionEvent
from recommender_serving.protocols.errors import InvalidRequest
from recommender_serving.protocols.request_limits import Limits
from recommender_serving.protocols.v1 import parse_v1
from recommender_serving.protocols.v2 import parse_v2
from recommender_serving.protocols.v2_messages import NamedTensor
from tests.unit.recommender_serving.serving_parsing import NOW, tensor

TEXTS = Limits(max_top_n=50, max_session=6, max_instances=3, ids=IdKinds(IdKind.TEXT, IdKind.TEXT))


def v1(limits: Limits = TEXTS, **instance: Any) -> RecommendRequest:
    (request,) = parse_v1({"instances": [instance]}, limits, NOW)
    return request


def v2(*tensors: NamedTensor, limits: Limits = TEXTS) -> RecommendRequest:
    return parse_v2(tensors, limits, NOW)


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_both_protocols_take_the_same_texts_for_the_same_ids(user: str, item: str) -> None:
    if ids.fault(user) or ids.fault(item):
        return
    by_v1 = v1(user_id=user, session=[{"item": item, "timestamp": 5}])
    by_v2 = v2(
        tensor("user_id", user.encode(), datatype="BYTES"),
        tensor("session_items", item, datatype="BYTES"),
        tensor("session_timestamps", 5),
    )
    assert by_v1 == by_v2
    assert by_v1.user_id == ids.hashed(user)
    assert by_v1.session == (SessionEvent(ids.hashed(item), 5, 0.0),)


BAD: list[tuple[Any, str]] = [
    (7, "got 7; give a text: the ids of this version are texts"),
    (True, "got True; give a text"),
    (["a"], "give a text"),
    ("", "got ''; give a text of 1 to 256 bytes of UTF-8"),
    ("x" * 257, "1 to 256 bytes"),
    ("é" * 129, "1 to 256 bytes"),
    ("a\nb", "without control characters"),
    ("a\x85", "without control characters"),
    ("\ud800", "without lone surrogates"),
    (b"\xff", "give UTF-8"),
]


@pytest.mark.parametrize(("value", "remedy"), BAD)
def test_an_invalid_text_id_is_rejected_with_field_value_and_remedy(
    value: Any, remedy: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        v1(user_id=value, session=[{"item": value}])
    for field in ("instances[0].user_id: got ", "instances[0].session[0].item: got "):
        assert field in str(refused.value)
    assert str(refused.value).count(remedy) == 2


def test_a_number_is_refused_for_a_text_and_a_text_for_a_number_in_tensors_too() -> None:
    with pytest.raises(InvalidRequest) as refused:
        v2(tensor("user_id", 1), tensor("session_items", 2))
    for field in ("user_id", "session_items"):
        assert (
            f"{field}: got 'datatype INT64'; send it as BYTES: the ids of this version are texts"
        ) in str(refused.value)
    with pytest.raises(InvalidRequest, match="user_id: got 'datatype BYTES'; send it as INT64"):
        v2(tensor("user_id", b"1", datatype="BYTES"), limits=Limits())


def test_null_is_a_missing_id_not_a_text() -> None:
    with pytest.raises(InvalidRequest, match="user_id: got None; give the user id"):
        v1(user_id=None)
    with pytest.raises(InvalidRequest, match="item: got None; it is required"):
        v1(user_id="a", session=[{"item": None}])


def test_the_examples_of_a_remedy_have_the_kind_of_the_version() -> None:
    with pytest.raises(InvalidRequest, match=r'\{"user_id": "id-1"\}'):
        parse_v1([], TEXTS, NOW)
    with pytest.raises(InvalidRequest, match=r'\{"user_id": "id-1"\}'):
        parse_v1({"instances": ["a"]}, TEXTS, NOW)
    with pytest.raises(InvalidRequest, match=r'\{"item": "id-5", "timestamp"'):
        v1(user_id="a", session=["a"])
    with pytest.raises(InvalidRequest, match=r'\{"item": 5, "timestamp"'):
        v1(Limits(), user_id=1, session=[5])


def test_users_and_items_may_be_of_two_kinds() -> None:
    limits = Limits(ids=IdKinds(user=IdKind.TEXT))
    request = v1(limits, user_id="7", session=[{"item": 7}])
    assert (request.user_id, request.session[0].item) == (ids.hashed("7"), 7)
    with pytest.raises(InvalidRequest, match=r"item: got '7'; give a whole number"):
        v1(limits, user_id="7", session=[{"item": "7"}])
