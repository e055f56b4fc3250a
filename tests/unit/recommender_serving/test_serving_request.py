"""Requests are taken as they are meant, or refused with the field, the value and the remedy."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_serving.checks import InvalidRequest
from recommender_serving.request import (
    DATATYPES,
    SESSION_TENSORS,
    Limits,
    NamedTensor,
    parse_v1,
    parse_v2,
)
from recommender_serving.types import RecommendRequest, SessionEvent

NOW = 1_000_000_000
LIMITS = Limits(max_top_n=50, max_session=6, max_instances=3)


def v1(**instance: Any) -> RecommendRequest:
    (request,) = parse_v1({"instances": [instance]}, LIMITS, NOW)
    return request


def tensor(name: str, *values: Any, datatype: str = "", shape: list[int] | None = None) -> Any:
    return NamedTensor(
        name, datatype or DATATYPES[name], [len(values)] if shape is None else shape, values
    )


def v2(*tensors: NamedTensor) -> RecommendRequest:
    return parse_v2(tensors, LIMITS, NOW)


def test_only_the_user_is_required() -> None:
    expected = RecommendRequest(user_id=5, timestamp=NOW, top_n=10)
    assert v1(user_id=5) == expected
    assert v2(tensor("user_id", 5)) == expected


def test_both_protocols_say_the_same() -> None:
    by_v1 = v1(
        user_id=5,
        session=[{"item": 1, "timestamp": 10, "value": 4.0}, {"item": 2, "timestamp": 11}],
        age=24,
        gender="M",
        occupation="student",
        timestamp=12,
        top_n=3,
        session_id="s",
    )
    by_v2 = v2(
        tensor("user_id", 5),
        tensor("session_items", 1, 2),
        tensor("session_timestamps", 10, 11),
        tensor("session_values", 4.0, 0.0),
        tensor("age", 24),
        tensor("gender", b"M"),
        tensor("occupation", b"student"),
        tensor("timestamp", 12),
        tensor("top_n", 3),
        tensor("session_id", b"s"),
    )
    assert by_v1 == by_v2
    assert by_v1.session == (SessionEvent(1, 10, 4.0), SessionEvent(2, 11, 0.0))


def test_null_means_absent() -> None:
    fields = ("session", "age", "gender", "occupation", "timestamp", "top_n", "session_id")
    assert v1(user_id=5, **dict.fromkeys(fields)) == v1(user_id=5)


def test_a_session_is_ordered_by_time_and_ties_keep_their_order() -> None:
    times = [(1, 30), (2, 10), (3, 30), (4, 20)]
    request = v1(user_id=5, session=[{"item": i, "timestamp": t} for i, t in times])
    assert [event.item for event in request.session] == [2, 4, 1, 3]


def test_a_session_without_times_happened_just_before_the_request() -> None:
    request = v1(user_id=5, timestamp=100, session=[{"item": 8}, {"item": 9}])
    assert request.session == (SessionEvent(8, 98), SessionEvent(9, 99))
    assert v2(tensor("user_id", 5), tensor("session_items", 8, 9)).session == (
        SessionEvent(8, NOW - 2),
        SessionEvent(9, NOW - 1),
    )


def test_the_default_of_top_n_stays_within_a_small_bound() -> None:
    (request,) = parse_v1({"instances": [{"user_id": 1}]}, Limits(max_top_n=4), NOW)
    assert request.top_n == 4


BIG = 2**63
BAD_FIELDS: list[tuple[str, Any, str]] = [
    ("user_id", None, "required"),
    ("user_id", "1", "64-bit"),
    ("user_id", True, "64-bit"),
    ("user_id", 1.0, "64-bit"),
    ("user_id", BIG, "64-bit"),
    ("user_id", -BIG - 1, "64-bit"),
    ("age", -1, "0 to 150"),
    ("age", 151, "0 to 150"),
    ("age", 24.5, "0 to 150"),
    ("age", True, "0 to 150"),
    ("age", "24", "0 to 150"),
    ("gender", "", "1 to 64 characters"),
    ("gender", "x" * 65, "1 to 64 characters"),
    ("gender", 1, "1 to 64 characters"),
    ("occupation", ["student"], "1 to 64 characters"),
    ("session_id", "x" * 129, "1 to 128 characters"),
    ("session_id", 7, "1 to 128 characters"),
    ("timestamp", -1, "seconds since 1970"),
    ("timestamp", 1_764_000_000_000, "not milliseconds"),
    ("timestamp", 881250949.0, "seconds since 1970"),
    ("timestamp", False, "seconds since 1970"),
    ("top_n", 0, "1 to 50"),
    ("top_n", 51, "1 to 50"),
    ("top_n", True, "1 to 50"),
    ("top_n", "10", "1 to 50"),
    ("session", {"item": 1}, "list of at most 6"),
    ("session", [{"item": 1}] * 7, "list of at most 6"),
]


@pytest.mark.parametrize(("field", "value", "remedy"), BAD_FIELDS)
def test_a_bad_field_is_refused_with_its_name_and_the_remedy(
    field: str, value: Any, remedy: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        v1(**({"user_id": 1} | {field: value}))
    assert f"instances[0].{field}: got " in str(refused.value)
    assert remedy in str(refused.value)


BAD_EVENTS: list[tuple[Any, str]] = [
    (5, "give an object"),
    ({}, "session[0].item: got None; it is required"),
    ({"item": -1}, "reserved for padding"),
    ({"item": True}, "64-bit"),
    ({"item": BIG}, "64-bit"),
    ({"item": 1, "timestamp": 1e3}, "session[0].timestamp: got 1000.0"),
    ({"item": 1, "value": math.nan}, "session[0].value: got nan; give a finite number"),
    ({"item": 1, "value": math.inf}, "finite"),
    ({"item": 1, "value": 1e300}, "finite"),
    ({"item": 1, "value": 10**400}, "finite"),
    ({"item": 1, "value": "4"}, "finite"),
    ({"item": 1, "value": True}, "finite"),
    ({"item": 1, "rating": 4}, "session[0].rating"),
]


@pytest.mark.parametrize(("event", "remedy"), BAD_EVENTS)
def test_a_bad_event_is_refused_with_its_place(event: Any, remedy: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        v1(user_id=1, session=[event])
    assert "instances[0].session[0]" in str(refused.value)
    assert remedy in str(refused.value)


def test_times_for_some_events_only_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="1 of 2 events without a timestamp"):
        v1(user_id=1, session=[{"item": 1, "timestamp": 5}, {"item": 2}])


def test_a_misspelt_field_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(InvalidRequest, match="did you mean session"):
        v1(user_id=1, sesion=[])


@pytest.mark.parametrize("body", [None, [], 3, "x", {}, {"inputs": []}, b"{}"])
def test_a_body_without_instances_is_refused_with_an_example(body: Any) -> None:
    with pytest.raises(InvalidRequest, match=r'\{"instances"'):
        parse_v1(body, LIMITS, NOW)


@pytest.mark.parametrize("instances", [[], {}, None, "x", [{"user_id": 1}] * 4])
def test_the_number_of_instances_is_bounded(instances: Any) -> None:
    with pytest.raises(InvalidRequest, match="list of 1 to 3 objects"):
        parse_v1({"instances": instances}, LIMITS, NOW)


def test_one_bad_instance_refuses_the_call_and_all_count() -> None:
    with pytest.raises(InvalidRequest, match=r"^instances\[1\]") as refused:
        parse_v1({"instances": [{"user_id": 1}, 7, {"user_id": 2}]}, LIMITS, NOW)
    assert refused.value.instances == 3


def test_all_bad_fields_are_reported_at_once() -> None:
    with pytest.raises(InvalidRequest) as refused:
        v1(user_id="x", age="y", top_n=0)
    assert all(
        f"instances[0].{name}" in str(refused.value) for name in ("user_id", "age", "top_n")
    )


def test_the_report_of_a_hostile_body_stays_short() -> None:
    huge = {"x" * 10_000 + str(i): "y" * 10_000 for i in range(1_000)}
    with pytest.raises(InvalidRequest) as refused:
        parse_v1({"instances": [huge | {"user_id": ["z" * 100_000]}]}, LIMITS, NOW)
    assert len(str(refused.value)) < 4_000


BAD_TENSORS: list[tuple[Any, str]] = [
    (tensor("age", 24, datatype="INT32"), "age: got 'datatype INT32'; send it as INT64"),
    (tensor("age", 24, shape=[2]), "shape [1]"),
    (tensor("age", 24, 25), "shape [1]"),
    (tensor("age", 24, 25, shape=[2, 1]), "one request a call"),
    (tensor("age", None), "leave out"),
    (tensor("age", 24.0), "whole years"),
    (tensor("gender", b"\xff"), "UTF-8"),
    (tensor("user_id", 2), "give each input once"),
    (tensor("session_timestamps", 5), "as many as session_items has, which is 0"),
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
