"""Features of a request are those of the declaration, or refused with where they belong."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from recommender_contract.features import Kind
from recommender_serving.domain.features import Feature, Place
from recommender_serving.protocols.errors import InvalidRequest
from recommender_serving.server.openapi_schemas import schemas
from tests.unit.recommender_serving.serving_parsing import LIMITS, SHOP_LIMITS, v1


def refused(limits: Any = SHOP_LIMITS, **instance: Any) -> str:
    """The message about an instance."""
    with pytest.raises(InvalidRequest) as error:
        v1(limits, **({"user_id": 1} | instance))
    return str(error.value)


@pytest.mark.parametrize(("separator", "longest"), [(None, 64), ("::", 3 * 66)])
def test_a_string_of_a_list_that_fits_its_schema_is_accepted(
    separator: str | None, longest: int
) -> None:
    tags = Feature(
        "tags", Place.CONTEXT, Kind.MULTI_CATEGORICAL, {"a": 0}, width=3, separator=separator
    )
    limits = dataclasses.replace(SHOP_LIMITS, features={"tags": tags})
    schema = schemas(limits)["Instance"]["properties"]["context"]["properties"]["tags"]["items"]
    assert (schema["minLength"], schema["maxLength"]) == (0, longest)
    whole = (separator or "").join("abc"[place] * 64 for place in range(3))[:longest]
    request = v1(limits, user_id=1, context={"tags": [whole, ""]})
    assert request.features["tags"] == tuple(whole.split(separator))
    if separator:
        told = refused(limits, context={"tags": [whole + separator * 2]})
        assert f"give a string of at most {longest} characters" in told
        told = refused(limits, context={"tags": ["a", "b" * 65]})
        assert "context.tags[1]" in told
        assert "give categories of 1 to 64 characters" in told


def test_features_keep_their_values_and_null_is_left_out() -> None:
    request = v1(
        SHOP_LIMITS,
        user_id=1,
        user={"member": True, "spend": 3, "plan": None},
        context={"device": "a new device", "position": None},
    )
    assert request.features == {"member": "true", "spend": 3.0, "device": "a new device"}
    assert type(request.features["spend"]) is float


BAD_VALUES: list[tuple[str, str, Any, str]] = [
    ("user", "member", "true", "give true or false"),
    ("user", "member", 1, "give true or false"),
    ("user", "plan", "", "1 to 64 characters"),
    ("user", "plan", "x" * 65, "1 to 64 characters"),
    ("user", "plan", 1, "1 to 64 characters"),
    ("user", "plan", ["gold"], "1 to 64 characters"),
    ("user", "spend", "3", "give a finite number from -1e+30 to 1e+30"),
    ("user", "spend", True, "give a finite number"),
    ("user", "spend", math.inf, "give a finite number"),
    ("user", "spend", 10**400, "give a finite number"),
    ("context", "hour", -0.5, "give a finite number of at least 0"),
    ("context", "position", 3, "it is set by the version (servedAs 1): leave it out"),
]


@pytest.mark.parametrize(("place", "name", "value", "remedy"), BAD_VALUES)
def test_a_bad_value_is_refused_with_its_place_and_the_remedy(
    place: str, name: str, value: Any, remedy: str
) -> None:
    message = refused(**{place: {name: value}})
    assert f"instances[0].{place}.{name}: got " in message
    assert remedy in message


@pytest.mark.parametrize("value", [-0.1, 120.5])
def test_a_number_out_of_its_bounds_is_refused_with_the_bounds(value: float) -> None:
    message = refused(LIMITS, user={"age": value})
    assert f"user.age: got {value}; give a finite number from 0 to 120" in message


UNKNOWN: list[tuple[dict[str, Any], str, str]] = [
    ({"spend": 3}, "instances[0].spend: got 3", "did you mean user.spend?"),
    ({"Device": "x"}, "instances[0].Device: got 'x'", "did you mean context.device?"),
    ({"sesion": []}, "instances[0].sesion", "did you mean session?"),
    ({"usr": {}}, "instances[0].usr", "did you mean user?"),
    ({"position": 2}, "instances[0].position", "it is set by the version (servedAs 1)"),
    ({"user": {"pan": "x"}}, "instances[0].user.pan", "did you mean user.plan?"),
    ({"user": {"device": "x"}}, "instances[0].user.device", "did you mean context.device?"),
    ({"user": {"top_n": 3}}, "instances[0].user.top_n", "did you mean top_n?"),
    ({"context": {"member": True}}, "instances[0].context.member", "did you mean user.member?"),
    ({"user": {"position": 2}}, "instances[0].user.position", "it is set by the version"),
    ({"context": {"q": 2}}, "instances[0].context.q", "the features of context are device, log"),
]


@pytest.mark.parametrize(("instance", "field", "remedy"), UNKNOWN)
def test_an_unknown_name_is_refused_with_the_nearest_declared_one(
    instance: dict[str, Any], field: str, remedy: str
) -> None:
    message = refused(**instance)
    assert message.startswith(field)
    assert remedy in message


def test_an_unknown_name_is_refused_even_if_it_is_null() -> None:
    assert "did you mean user.age?" in refused(LIMITS, age=None)


def test_a_place_without_features_says_so() -> None:
    message = refused(LIMITS, context={"device": "x"})
    assert "this version has no features of context: leave it out" in message
