"""The benchmark of experiments counts what it says it counts."""

from __future__ import annotations

import numpy as np
import pytest

from recommender_operator.experiments.decision import Kind
from recommender_operator.experiments.estimates import pair
from recommender_operator.experiments.experiment_metrics import DEFINITIONS, Metric
from tests.benchmarks import experiment_requests, experiments
from tests.benchmarks.experiment_users import CAP, World, buyers, moments
from tests.benchmarks.experiment_users import experiments as drawn


def test_the_drawn_users_have_the_effect_and_grow_from_day_to_day() -> None:
    world = World(days=3, arriving=20_000)
    (run,) = drawn(world, 1, 0.5, np.random.default_rng(1))
    arms = [[moments(day[arm]) for day in run] for arm in (0, 1)]
    rates = [days[-1].mean("clicks") / days[-1].mean("answers") for days in arms]
    assert rates[1] / rates[0] == pytest.approx(1.5, rel=0.1)
    for days in arms:
        assert [m.users for m in days] == sorted({m.users for m in days})
        # The same users come again: answers grow faster than users.
        assert days[-1].mean("answers") > 1.2 * days[0].mean("answers")
        assert days[-1].mean("revenue") <= CAP
    assert arms[0][-1].users == pytest.approx(arms[1][-1].users, rel=0.05)


def test_the_drawn_requests_have_the_gains_of_each_metric_and_differ_by_user() -> None:
    world = experiment_requests.Requests(days=3, arriving=60_000)
    (run,) = experiment_requests.experiments(
        world, 1, experiment_requests.EFFECTS, np.random.default_rng(4)
    )
    arms = [moments(run[-1, arm], experiment_requests.DRAWN) for arm in (0, 1)]
    for metric, gain in experiment_requests.EFFECTS.items():
        found = pair(metric, *arms)
        assert found is not None
        assert found.candidate / found.champion == pytest.approx(1 + gain, rel=0.04)
        # More than a binomial number has, so requests of a user are no independent ones.
        definition = DEFINITIONS[metric]
        below = arms[0].mean(definition.denominator or "")
        independent = found.champion * (1 - found.champion) / below
        assert found.variance_champion > 1.2 * independent
    assert arms[0].sums["errors"] <= arms[0].sums["slow"] <= arms[0].sums["requests"]


def test_a_large_loss_of_requests_is_found_and_is_harm() -> None:
    world, rng = experiment_requests.Requests(days=6, arriving=2000), np.random.default_rng(5)
    gains = dict.fromkeys((Metric.ERROR_RATE, Metric.SLOW_SHARE), 1.0)
    worse = experiment_requests.experiments(world, 3, gains, rng)
    alike = experiment_requests.experiments(world, 3, {}, rng)
    assert experiments.tested(Metric.SLOW_SHARE, worse, world.share) == 1.0
    plan, drawn_ = experiment_requests.GUARDED, experiment_requests.DRAWN
    assert experiments.harmed(plan, worse, drawn_) == 1.0
    assert experiments.harmed(plan, alike, drawn_) == 0.0


def test_a_large_effect_is_promoted_and_a_large_loss_is_harm() -> None:
    world = World()
    rng = np.random.default_rng(2)
    better, worse = (drawn(world, 4, effect, rng) for effect in (0.5, -0.6))
    found = experiments.ends(experiments.PLAN, better, world.share)
    assert (found.kinds, found.gained) == ({Kind.PROMOTE: 1.0}, 1.0)
    assert experiments.harmed(experiments.PLAN, worse) == 1.0
    assert experiments.harmed(experiments.PLAN, better) == 0.0


def test_an_interval_that_misses_the_truth_is_counted() -> None:
    arms = buyers(5, 20_000, np.random.default_rng(3))
    metric = Metric.REVENUE_PER_USER
    assert experiments.covered(metric, arms, 0.1, 5.0) == 1.0
    assert experiments.covered(metric, arms, 3.0, 2.0) == 0.0
