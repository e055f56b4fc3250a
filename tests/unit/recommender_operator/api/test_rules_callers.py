"""The rules of `serving.callers`, evaluated as CEL."""

from __future__ import annotations

from typing import Any

import celpy
import celpy.adapter
import pytest

from recommender_operator.api.rules_callers import CALLERS


def refusals(callers: dict[str, Any]) -> list[str]:
    environment = celpy.Environment()
    value = {"self": celpy.adapter.json_to_cel(callers)}
    return [
        message
        for rule, message in CALLERS
        if not environment.program(environment.compile(rule)).evaluate(value)
    ]


@pytest.mark.parametrize(
    "callers",
    [{}, {"trusted": True}, {"userHeader": "x-user-id"}, {"userHeader": "u", "trusted": False}],
)
def test_one_way_to_know_the_callers_is_allowed(callers: dict[str, Any]) -> None:
    assert refusals(callers) == []


def test_a_trusted_caller_has_no_header_of_one_user() -> None:
    (message,) = refusals({"trusted": True, "userHeader": "x-user-id"})
    assert "mutually exclusive" in message


@pytest.mark.parametrize(
    "name", ["x-recommender-forwarded", "x-request-id", "authorization", "host", "cookie"]
)
def test_a_header_with_another_meaning_names_no_user(name: str) -> None:
    (message,) = refusals({"userHeader": name})
    assert "x-user-id" in message
