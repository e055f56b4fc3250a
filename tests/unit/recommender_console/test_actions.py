"""What a visitor can ask for, and how long a confirmation holds."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from recommender_console import actions
from tests.unit.recommender_console import samples


def digest(verb: str = "abort", **status: Any) -> str:
    model = samples.seen(**status).model
    plain = [one.version for one in samples.seen_versions()]
    return actions.confirmed(model, actions.make(verb, None)(model, plain, "t"))


def test_every_action_is_possible_or_says_why_not() -> None:
    model = samples.seen().model
    found = actions.offers(model, [one.version for one in samples.seen_versions()])
    assert [one.action.verb for one in found if not one.refusal] == ["promote", "abort", "pause"]
    assert {one.action.verb for one in found} == set(actions.BY_VERB)


def test_a_confirmation_outlives_a_write_of_the_status_that_changes_nothing_of_it() -> None:
    assert digest(verdict="Pass", candidateWeight=60, championWeight=40) == digest()


@pytest.mark.parametrize(
    "status", [{"champion": samples.OLD}, {"previous": None}, {"locked": True}]
)
def test_a_confirmation_ends_with_what_it_was_about(status: dict[str, Any]) -> None:
    assert digest(**status) != digest()


def test_a_confirmation_is_of_one_action_and_one_spec() -> None:
    assert digest("promote") != digest("abort")
    model = samples.seen().model
    made = actions.make("pause", None)(model, [], "t")
    newer = dataclasses.replace(model, generation=model.generation + 1)
    assert actions.confirmed(model, made) != actions.confirmed(newer, made)


def test_a_request_names_the_resource_version_that_was_looked_at() -> None:
    model = samples.seen().model
    made = actions.make("pause", None)(model, [], "t")
    assert made.patch["metadata"]["resourceVersion"] == model.resource_version
