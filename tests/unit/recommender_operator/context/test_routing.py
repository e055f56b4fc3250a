"""What a route does besides the weights: users of an experiment, and copies for a candidate."""

import dataclasses
import datetime

import pytest

from recommender_operator.api.spec_experiment import ExperimentSpec
from recommender_operator.api.spec_rollout import InterleavingSpec, RolloutSpec, TrafficMode
from recommender_operator.api.version import StepRecord, VersionStage
from recommender_operator.api.version_experiment import (
    ArmStatus,
    ExperimentPhase,
    ExperimentStatus,
)
from recommender_operator.api.version_interleaving import InterleavingStatus
from recommender_operator.context.routing import arms, routing_of, shares_of_further, user_shares
from recommender_operator.observed import PLAIN, Routing, VersionObject
from tests.fakes.kube import NOW
from tests.unit.recommender_operator.experiment_worlds import PLAN
from tests.unit.recommender_operator.resources.builder_inputs import version

START = datetime.datetime(2026, 11, 27, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


def test_without_an_experiment_any_user_reaches_both_versions() -> None:
    assert user_shares(None) == (1.0, 1.0)


def test_the_smallest_share_of_each_version_counts_since_the_window_began() -> None:
    phases = tuple(
        ExperimentPhase(
            number=number,
            weight=weight,
            stable="v1",
            since=START + number * HOUR,
            until=START + (number + 1) * HOUR if number < 2 else None,
        )
        for number, weight in enumerate((2, 5, 50))
    )
    experiment = ExperimentStatus(
        id="0a1b2c3d", plan=ExperimentSpec.model_validate(PLAN), phases=phases
    )
    assert user_shares(experiment) == (0.02, 0.5)
    assert user_shares(experiment, START + HOUR) == (0.05, 0.5)
    assert user_shares(experiment, START + 3 * HOUR) == (0.5, 0.5)


def test_further_versions_take_their_users_from_the_champion_alone() -> None:
    phase = ExperimentPhase(number=0, weight=20, stable="v1", since=START, arms=("v2", "v3"))
    plan = ExperimentSpec.model_validate(PLAN)
    experiment = ExperimentStatus(id="0a1b2c3d", plan=plan, phases=(phase,))
    candidates, champions = user_shares(experiment)
    assert candidates == 0.2
    assert champions == pytest.approx(0.4)


HEADER = "id=0a1b2c3d;phase=0;cap=500;arms=v2:0-2000,v3:2000-4000,v4:4000-6000"
SPLIT = {"v1": 80, "v2": 20}


@pytest.mark.parametrize(
    ("routing", "shares"),
    [
        (PLAIN, SPLIT),
        (Routing(experiment=HEADER), {"v1": 40, "v2": 20, "v3": 20, "v4": 20}),
        (Routing(experiment=f"{HEADER};withdrawn=v3"), {"v1": 60, "v2": 20, "v4": 20}),
        (
            Routing(experiment=HEADER, fresh="v1-f", fresh_weight=50),
            {"v1": 20, "v1-f": 20, "v2": 20, "v3": 20, "v4": 20},
        ),
        (Routing(fresh="v1-f", fresh_weight=20), {"v1": 60, "v1-f": 20, "v2": 20}),
        (Routing(experiment="of another release"), SPLIT),
    ],
    ids=["no experiment", "two further", "one withdrawn", "fresh champion", "by weight", "other"],
)
def test_each_deployment_has_the_percent_that_it_answers(
    routing: Routing, shares: dict[str, int]
) -> None:
    assert arms(SPLIT, routing) == shares
    assert sum(shares.values()) == 100


def test_a_standby_passes_on_what_is_the_further_versions() -> None:
    found = arms({"standby": 80, "v2": 20}, Routing(experiment=HEADER))
    assert found == {"standby": 40, "v2": 20, "v3": 20, "v4": 20}


def test_before_a_candidate_has_a_share_nothing_is_taken_from_the_champion() -> None:
    assert arms({"v1": 100}, Routing(experiment=HEADER)) == {"v1": 100}


def test_only_the_phase_that_lasts_gives_further_versions_a_share() -> None:
    phase = ExperimentPhase(number=0, weight=20, stable="v1", since=START, arms=("v2", "v3"))
    records = (ArmStatus(version="v2"), ArmStatus(version="v3", withdrawn="it harms"))
    plan = ExperimentSpec.model_validate(PLAN)
    seen = ExperimentStatus(id="0a1b2c3d", plan=plan, phases=(phase,), arms=records)
    assert shares_of_further(seen) == {"v2": 20}
    ended = phase.model_copy(update={"until": START + HOUR})
    assert shares_of_further(seen.model_copy(update={"phases": (ended,)})) == {}
    assert shares_of_further(None) == {}


SHADOW = RolloutSpec.model_validate({"shadow": {"share": 0.2}})


def candidate(**status: object) -> VersionObject:
    found = version()
    given = {"stage": VersionStage.CANARY, "weight": 0} | status
    return dataclasses.replace(found, status=found.status.model_copy(update=given))


def step(weight: int, ended: datetime.datetime | None = None) -> StepRecord:
    return StepRecord(weight=weight, started_at=START, ended_at=ended)


@pytest.mark.parametrize("steps", [(), (step(0),)])
def test_a_candidate_gets_copies_before_its_first_step(steps: tuple[StepRecord, ...]) -> None:
    found = routing_of(SHADOW, candidate(steps=steps), {"stable": 100})
    assert found == Routing(shadow=f"{candidate().name}:2000")


@pytest.mark.parametrize(
    ("status", "weights"),
    [
        ({"steps": (step(0, START),)}, {"stable": 100}),  # the phase has ended
        ({"steps": (step(0, START), step(10, START))}, {"stable": 100}),  # withdrawn
        ({"stage": VersionStage.SMOKE_TESTING}, {"stable": 100}),
        ({"approved_at": START}, {"stable": 100}),
        ({"weight": 10}, {"stable": 90, candidate().name: 10}),
        ({}, {}),  # nobody answers users
    ],
)
def test_no_other_candidate_gets_copies(
    status: dict[str, object], weights: dict[str, int]
) -> None:
    assert routing_of(SHADOW, candidate(**status), weights) == PLAIN


def test_without_the_phase_nobody_gets_copies() -> None:
    assert routing_of(RolloutSpec(), candidate(), {"stable": 100}) == PLAIN


MIXED = RolloutSpec.model_validate({"interleaving": {"percent": 5}})
RECORD = InterleavingStatus(id="5c0ffee5", plan=InterleavingSpec(percent=5), waiting_since=NOW)


@pytest.mark.parametrize("steps", [(), (step(0, START),)])
def test_some_users_get_mixed_lists_before_the_first_step(steps: tuple[StepRecord, ...]) -> None:
    found = routing_of(MIXED, candidate(steps=steps, interleaving=RECORD), {"stable": 100})
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
    assert routing_of(rollout, candidate(**given), {"stable": 100}) == PLAIN


def test_a_recalibrated_version_has_no_mixed_lists() -> None:
    found = candidate(interleaving=RECORD)
    spec = found.spec.model_copy(update={"recalibration": object()})
    again = dataclasses.replace(found, spec=spec)
    assert routing_of(MIXED, again, {"stable": 100}) == PLAIN
