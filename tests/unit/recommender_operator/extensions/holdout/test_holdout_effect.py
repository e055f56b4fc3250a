"""What the others gain over the holdout: an interval at any time, and never a verdict."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from recommender_contract.events import Source
from recommender_operator.experiments import sample_ratio
from recommender_operator.experiments.arm_moments import Moments
from recommender_operator.experiments.experiment_metrics import Metric
from recommender_operator.experiments.plan import Phase
from recommender_operator.extensions.holdout.holdout_effect import ALPHA, METRICS, holdout_gains
from recommender_serving.experiments.assignment import parse_experiment
from recommender_serving.experiments.holdout import Holdout
from tests.unit.recommender_operator.experiments.users import arm, drawn, moments, scaled
from tests.unit.recommender_serving.serving_samples import request

CLICKS = Metric.CLICK_THROUGH_RATE


def phase(held: Moments, others: Moments, mixed: int = 0) -> Phase:
    return Phase(
        number=0,
        weights={"holdout": 5, "others": 20},
        champion="holdout",
        candidate="others",
        arms={"holdout": held, "others": others},
        mixed=mixed,
    )


def test_a_gain_is_that_of_the_others_with_an_interval() -> None:
    found = holdout_gains(phase(arm(1, 5000), arm(2, 20_000, click=0.13)))
    assert not found.problem
    assert tuple(each.metric for each in found.comparisons) == METRICS
    clicks = found.comparisons[0]
    assert clicks.difference == pytest.approx(0.3, abs=0.08)
    assert clicks.low is not None
    assert clicks.high is not None
    assert 0 < clicks.low < 0.3 < clicks.high
    assert clicks.always_valid
    assert clicks.p_value is None


def test_what_users_did_before_is_not_subtracted() -> None:
    """In a measure that was started again, the holdout had an effect on it already."""
    held, others = drawn(1, 5000), drawn(2, 20_000, click=0.13)
    plain = holdout_gains(phase(moments(held), moments(others)))
    shifted = holdout_gains(phase(moments(scaled(held, "before", 0.5)), moments(others)))
    assert plain == shifted
    assert not any(each.covariate for each in plain.comparisons)


def test_intervals_hold_over_all_looks_and_metrics() -> None:
    """Without an effect: few measures are ever wrong. Intervals of one look would be in ten."""
    wrong, measures, looks = 0, 20, 6
    for seed in range(measures):
        held, others = drawn(2 * seed, 400), drawn(2 * seed + 1, 1600)
        missed = False
        for part in np.linspace(0.25, 1, looks):
            first, second = (
                moments({name: all_[: int(part * len(all_))] for name, all_ in of.items()})
                for of in (held, others)
            )
            for each in holdout_gains(phase(first, second)).comparisons:
                low, high = each.low, each.high
                missed |= (low is not None and low > 0) or (high is not None and high < 0)
        wrong += missed
    assert wrong <= measures * ALPHA + 3


def test_few_users_have_no_interval() -> None:
    found = holdout_gains(phase(arm(1, 60), arm(2, 240)))
    assert found.comparisons[0].difference is not None
    assert all(each.low is None and each.high is None for each in found.comparisons)


def test_no_users_are_no_values_and_no_error() -> None:
    found = holdout_gains(
        Phase(
            number=0, weights={"holdout": 5, "others": 20}, champion="holdout",
            candidate="others", arms={},
        )
    )  # fmt: skip
    assert all(each.difference is None for each in found.comparisons)


@pytest.mark.parametrize(
    ("held", "others", "mixed"), [(2000, 4000, 0), (1000, 4000, 200)], ids=["ratio", "mixed"]
)
def test_groups_that_cannot_be_compared_have_no_numbers(
    held: int, others: int, mixed: int
) -> None:
    found = holdout_gains(phase(arm(1, held), arm(2, others), mixed))
    assert found.comparisons == ()
    assert found.problem


def test_an_experiment_with_arms_has_its_ratio_among_all_but_the_users_of_the_holdout() -> None:
    """The holdout takes its users of each arm alike, so the weights of the arms still hold."""
    salt, arms = "holdout-0a1b2c3d", "shop-0a1b2c3d:0-3000,shop-0a1b2c3e:3000-6000"
    held = Holdout("5c0ffee5", salt, 10, Source.BASELINE, 1000.0)
    experiment = parse_experiment(f"id=0a1b2c3d;phase=0;cap=1000;arms={arms}", "shop")
    asked = (request(user_id=user) for user in range(5000))
    groups = [(each, held.member(each)) for each in asked]
    free = [str(each.user_id) for each, of in groups if of is None or not of.is_held]
    counts = Counter(experiment.assignment(user, "shop-ffffffff").arm for user in free)
    weights = {"shop-ffffffff": 40.0, "shop-0a1b2c3d": 30.0, "shop-0a1b2c3e": 30.0}
    one = Phase(
        number=0,
        weights=weights,
        champion="shop-ffffffff",
        candidate="shop-0a1b2c3d",
        further=("shop-0a1b2c3e",),
        arms={name: Moments(users=users, sums={}, products={}) for name, users in counts.items()},
    )
    p = sample_ratio.p_value(one)
    assert len(free) == pytest.approx(4500, rel=0.02)
    assert p is not None
    assert p > 0.01
    assert not sample_ratio.problem(one)
