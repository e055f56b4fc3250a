"""The copies of requests that a candidate gets before its first step."""

import pytest

from recommender_operator.api.spec_rollout import RolloutSpec
from recommender_operator.api.version import StepRecord, VersionStage
from recommender_operator.extensions.shadow.shadow import Shadow
from recommender_operator.observed import PLAIN, Routing
from tests.unit.recommender_operator.extensions.candidates import (
    STABLE,
    START,
    candidate,
    state,
    step,
)

SHADOW = RolloutSpec.model_validate({"shadow": {"share": 0.2}})


@pytest.mark.parametrize("steps", [(), (step(0),)])
def test_a_candidate_gets_copies_before_its_first_step(steps: tuple[StepRecord, ...]) -> None:
    found = Shadow().route(state(SHADOW, candidate(steps=steps)), PLAIN, {STABLE: 100})
    assert found == Routing(shadow=f"{candidate().name}:2000")


@pytest.mark.parametrize(
    ("status", "weights"),
    [
        ({"steps": (step(0, START),)}, {STABLE: 100}),  # the phase has ended
        ({"steps": (step(0, START), step(10, START))}, {STABLE: 100}),  # withdrawn
        ({"stage": VersionStage.SMOKE_TESTING}, {STABLE: 100}),
        ({"approved_at": START}, {STABLE: 100}),
        ({"weight": 10}, {STABLE: 90, candidate().name: 10}),
        ({}, {}),  # nobody answers users
    ],
)
def test_no_other_candidate_gets_copies(
    status: dict[str, object], weights: dict[str, int]
) -> None:
    assert Shadow().route(state(SHADOW, candidate(**status)), PLAIN, weights) == PLAIN


def test_without_the_phase_nobody_gets_copies() -> None:
    assert Shadow().route(state(RolloutSpec(), candidate()), PLAIN, {STABLE: 100}) == PLAIN
