"""Which share of the users each version of an experiment serves."""

import datetime

from recommender_operator.api.spec_experiment import ExperimentSpec
from recommender_operator.api.version_experiment import ExperimentPhase, ExperimentStatus
from recommender_operator.phases.routing import user_shares
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
