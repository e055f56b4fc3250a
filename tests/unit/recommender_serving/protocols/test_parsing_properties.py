"""Whatever is sent is a sane request or refused; bad tensors are refused by name."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_serving.domain.types import RecommendRequest
from recommender_serving.protocols.parsing import DATATYPES, SESSION_TENSORS, NamedTensor, parse_v1
from recommender_serving.protocols.validation import InvalidRequest
from tests.unit.recommender_serving.serving_parsing import LIMITS, NOW, tensor, v1, v2

BAD_TENSORS: list[tuple[Any, str]] = [
    (tensor("age", 24, datatype="INT32"), "age: got 'datatype INT32'; send it as INT64"),
    (tensor("age", 24, shape=[2]), "shape [1]"),
    (tensor("age", 24, 25), "shape [1]"),
    (tensor("age", 24, 25, shape=[2, 1]), "one request a call"),
    (tensor("age", None), "leave out"),
    (tensor("age", 24.0), "whole years"),
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
    with pytest.raises(InvalidRequest, match="user_id: got None; it is required"):
        v2(tensor("top_n", 3))


def test_a_batch_dimension_of_one_is_accepted() -> None:
    request = v2(tensor("user_id", 5, shape=[1, 1]), tensor("session_items", 1, 2, shape=[1, 2]))
    assert (request.user_id, len(request.session)) == (5, 2)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
known_fields = st.sampled_from(
    [*DATATYPES, "session", "item", "value", "instances", "timestamp", "user_id"]
)
objects = st.dictionaries(known_fields, json_values, max_size=6)
bodies = json_values | st.fixed_dictionaries({"instances": st.lists(objects | json_values)})


def assert_sane(request: RecommendRequest) -> None:
    assert -(2**63) <= request.user_id < 2**63
    assert 1 <= request.top_n <= LIMITS.max_top_n
    assert 0 <= request.timestamp < 2**33
    assert len(request.session) <= LIMITS.max_session
    times = [event.timestamp for event in request.session]
    assert times == sorted(times)
    for event in request.session:
        assert -(2**63) <= event.item < 2**63
        assert event.item != -1
        assert math.isfinite(event.value)


@given(bodies)
def test_any_json_is_a_sane_request_or_refused(body: Any) -> None:
    try:
        requests = parse_v1(body, LIMITS, NOW)
    except InvalidRequest:
        return
    for request in requests:
        assert_sane(request)


events = st.fixed_dictionaries(
    {"item": st.integers(-2, 2**63)},
    optional={"timestamp": st.integers(-1, 2**32), "value": st.floats(width=32)},
)
instances = st.fixed_dictionaries(
    {"user_id": st.integers(-(2**63), 2**63)},
    optional={
        "session": st.lists(events, max_size=7),
        "age": st.integers(-1, 151) | st.none(),
        "gender": st.text(max_size=65),
        "timestamp": st.integers(-1, 2**32),
        "top_n": st.integers(0, 51),
    },
)


@given(instances)
def test_any_instance_of_the_right_types_is_sane_or_refused(instance: dict[str, Any]) -> None:
    try:
        assert_sane(v1(**instance))
    except InvalidRequest:
        return


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
tensors = st.lists(
    st.builds(
        NamedTensor,
        st.sampled_from([*DATATYPES, "other"]),
        st.sampled_from(["INT64", "FP32", "BYTES", "BOOL"]),
        st.lists(st.integers(-1, 3), max_size=3),
        st.lists(scalars | st.binary(max_size=3), max_size=4),
    ),
    max_size=6,
)


@given(tensors)
def test_any_tensors_are_a_sane_request_or_refused(sent: list[NamedTensor]) -> None:
    try:
        assert_sane(v2(*sent))
    except InvalidRequest:
        return


def test_the_session_tensors_are_among_the_inputs() -> None:
    assert set(SESSION_TENSORS) < set(DATATYPES)
