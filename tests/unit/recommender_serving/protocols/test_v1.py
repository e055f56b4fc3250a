"""Requests are taken as they are meant, or refused with the field, the value and the remedy."""

from __future__ import annotations

import math
from typing import Any

import pytest

from recommender_serving.domain.types import RecommendRequest, SessionEvent
from recommender_serving.protocols.errors import InvalidRequest
from recommender_serving.protocols.request_limits import Limits
from recommender_serving.protocols.v1 import parse_v1
from tests.unit.recommender_serving.serving_parsing import LIMITS, NOW, tensor, v1, v2


def test_only_the_user_is_required() -> None:
    expected = RecommendRequest(user_id=5, timestamp=NOW, top_n=10)
    assert v1(user_id=5) == expected
    assert v2(tensor("user_id", 5)) == expected


def test_both_protocols_say_the_same() -> None:
    by_v1 = v1(
        user_id=5,
        session=[{"item": 1, "timestamp": 10, "value": 4.0}, {"item": 2, "timestamp": 11}],
        user={"age": 24, "gender": "M", "occupation": "student"},
        context={},
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
    assert by_v1.features == {"age": 24.0, "gender": "M", "occupation": "student"}


def test_null_means_absent() -> None:
    fields = ("session", "user", "context", "timestamp", "top_n", "session_id")
    nothing: dict[str, Any] = dict.fromkeys(fields)
    assert v1(user_id=5, **nothing) == v1(user_id=5)


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
    ("user_id", None, "give the user id, or a session or seed items to go by"),
    ("user_id", "1", "64-bit"),
    ("user_id", True, "64-bit"),
    ("user_id", 1.0, "64-bit"),
    ("user_id", BIG, "64-bit"),
    ("user_id", -BIG - 1, "64-bit"),
    ("user", 5, "give an object of age, gender, occupation"),
    ("user", [{"age": 5}], "give an object of age, gender, occupation"),
    ("context", "x", "this version has no features of context: leave it out"),
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
    ({"item": -1}, "reserved for the padding"),
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
        v1(user_id="x", user={"age": "y"}, top_n=0)
    assert all(
        f"instances[0].{name}" in str(refused.value) for name in ("user_id", "user.age", "top_n")
    )


def test_the_report_of_a_hostile_body_stays_short() -> None:
    huge = {"x" * 10_000 + str(i): "y" * 10_000 for i in range(1_000)}
    for instance in (huge, {"user": huge}, {"context": huge}, {"session": [huge]}):
        with pytest.raises(InvalidRequest) as refused:
            parse_v1({"instances": [instance | {"user_id": ["z" * 100_000]}]}, LIMITS, NOW)
        assert len(str(refused.value)) < 4_000
