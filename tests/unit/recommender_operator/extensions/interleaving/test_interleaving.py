"""The mixed lists before the first step of a candidate."""

import dataclasses

import pytest

from recommender_operator.api.spec_rollout import InterleavingSpec, RolloutSpec, TrafficMode
from recommender_operator.api.version import StepRecord, VersionStage
from recommender_operator.api.version_interleaving import InterleavingStatus
from recommender_operator.extensions.interleaving.interleaving import Interleaving
from recommender_operator.extensions.registry import EXTENSIONS
from recommender_operator.observed import PLAIN, Routing
from tests.fakes.kube import NOW
from tests.unit.recommender_operator.extensions.candidates import (
    STABLE,
    START,
    candidate,
    state,
    step,
)
from tests.unit.recommender_operator.resources.builder_inputs import RECALIBRATION

MIXED = RolloutSpec.model_validate({"interleaving": {"percent": 5}})
RECORD = InterleavingStatus(id="5c0ffee5", plan=InterleavingSpec(percent=5), waiting_since=NOW)


@pytest.mark.parametrize("steps", [(), (step(0, START),)])
def test_some_users_get_mixed_lists_before_the_first_step(steps: tuple[StepRecord, ...]) -> None:
    found = Interleaving().route(
        state(MIXED, candidate(steps=steps, interleaving=RECORD)), PLAIN, {STABLE: 100}
    )
    header = f"id=5c0ffee5;candidate={candidate().name};users=500"
    assert found == Routing(interleaving=header)


@pytest.mark.parametrize(
    ("rollout", "status"),
    [
        (MIXED, {}),  # not begun
        (MIXED, {"steps": (step(0),)}),  # copies come first
        (MIXED, {"steps": (step(0, START), step(10, START))}),  # withdrawn
        (MIXED, {"interleaving": RECORD.model_copy(update={"ended_at": START})}),
        (MIXED, {"stage": VersionStage.SMOKE_TESTING}),
        (MIXED, {"approved_at": START}),
        (RolloutSpec(), {}),
        (MIXED.model_copy(update={"traffic": TrafficMode.KNATIVE}), {}),
    ],
)
def test_lists_are_mixed_at_no_other_time_and_not_without_a_route(
    rollout: RolloutSpec, status: dict[str, object]
) -> None:
    given = status if status == {} and rollout == MIXED else {"interleaving": RECORD} | status
    assert Interleaving().route(state(rollout, candidate(**given)), PLAIN, {STABLE: 100}) == PLAIN


def test_a_version_with_the_lists_of_another_one_has_no_mixed_lists() -> None:
    found = candidate(interleaving=RECORD)
    spec = found.spec.model_copy(update={"recalibration": RECALIBRATION})
    again = dataclasses.replace(found, spec=spec)
    assert Interleaving().route(state(MIXED, again, EXTENSIONS), PLAIN, {STABLE: 100}) == PLAIN
