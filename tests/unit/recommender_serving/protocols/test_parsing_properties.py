"""Whatever is sent is a sane request or refused."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.features import Kind
from recommender_serving.domain.types import RecommendRequest
from recommender_serving.protocols.errors import InvalidRequest
from recommender_serving.protocols.request_limits import DATATYPES, Limits
from recommender_serving.protocols.v1 import parse_v1
from recommender_serving.protocols.v2_messages import NamedTensor
from tests.unit.recommender_serving.serving_parsing import LIMITS, NOW, SHOP_LIMITS, v1, v2

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
FEATURES = [*LIMITS.features, *SHOP_LIMITS.features]
known_fields = st.sampled_from(
    [*DATATYPES, *FEATURES, "session", "item", "value", "instances", "user", "context"]
)
objects = st.dictionaries(known_fields, json_values, max_size=6)
bodies = json_values | st.fixed_dictionaries({"instances": st.lists(objects | json_values)})


def assert_sane(request: RecommendRequest, limits: Limits = LIMITS) -> None:
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
    assert request.features.keys() <= limits.features.keys()
    for name, value in request.features.items():
        feature = limits.features[name]
        assert feature.served_as is None
        if feature.kind is Kind.NUMERIC:
            assert isinstance(value, float)
            assert feature.low <= value <= feature.high
        else:
            assert isinstance(value, str)
            assert 1 <= len(value) <= 64


@given(bodies, st.sampled_from([LIMITS, SHOP_LIMITS]))
def test_any_json_is_a_sane_request_or_refused(body: Any, limits: Limits) -> None:
    try:
        requests = parse_v1(body, limits, NOW)
    except InvalidRequest:
        return
    for request in requests:
        assert_sane(request, limits)


events = st.fixed_dictionaries(
    {"item": st.integers(-2, 2**63)},
    optional={"timestamp": st.integers(-1, 2**32), "value": st.floats(width=32)},
)
instances = st.fixed_dictionaries(
    {"user_id": st.integers(-(2**63), 2**63)},
    optional={
        "session": st.lists(events, max_size=7),
        "user": st.fixed_dictionaries(
            {},
            optional={"age": st.floats(-1, 121) | st.none(), "gender": st.text(max_size=65)},
        ),
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
        st.sampled_from([*DATATYPES, *FEATURES, "other"]),
        st.sampled_from(["INT64", "INT32", "FP32", "FP64", "BYTES", "BOOL"]),
        st.lists(st.integers(-1, 3), max_size=3),
        st.lists(scalars | st.binary(max_size=3), max_size=4),
    ),
    max_size=6,
)


@given(tensors, st.sampled_from([LIMITS, SHOP_LIMITS]))
def test_any_tensors_are_a_sane_request_or_refused(
    sent: list[NamedTensor], limits: Limits
) -> None:
    try:
        assert_sane(v2(*sent, limits=limits), limits)
    except InvalidRequest:
        return
