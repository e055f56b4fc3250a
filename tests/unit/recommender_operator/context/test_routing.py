"""What a route does besides the weights: users of an experiment, and copies for a candidate."""

import datetime

import pytest

from recommender_operator.api.spec_experiment import ExperimentSpec
from recommender_operator.api.version_experiment import (
    ArmStatus,
    ExperimentPhase,
    ExperimentStatus,
)
from recommender_operator.context.routing import arms, shares_of_further, user_shares
from recommender_operator.observed import PLAIN, Routing
from tests.unit.recommender_operator.experiment_worlds import PLAN

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
