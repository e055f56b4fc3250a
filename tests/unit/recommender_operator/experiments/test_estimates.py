from __future__ import annotations

import math

import numpy as np
import pytest
import tea_tasting
from hypothesis import assume, given
from hypothesis import strategies as st
from tea_tasting.aggr import Aggregates

from recommender_operator.experiments import estimates, sample_size
from recommender_operator.experiments.arm_moments import COMPONENTS, NONE, Moments
from recommender_operator.experiments.estimates import Pair, pair
from recommender_operator.experiments.experiment_metrics import DEFINITIONS, Metric
from tests.unit.recommender_operator.experiments.users import (
    Users,
    arm,
    drawn,
    moments,
    scaled,
)

SEEDS = st.integers(0, 2**31)
METRICS = st.sampled_from(list(Metric))
COUNTS = st.integers(30, 400)


def aggregates(users: Users) -> Aggregates:
    """The same users for tea-tasting, by NumPy and not by our sums."""
    covariances = np.cov(np.array([users[name] for name in COMPONENTS]))
    pairs = [(i, j) for i in range(len(COMPONENTS)) for j in range(len(COMPONENTS)) if i < j]
    return Aggregates(
        count_=len(users["answers"]),
        mean_={name: float(users[name].mean()) for name in COMPONENTS},
        var_={name: float(covariances[i, i]) for i, name in enumerate(COMPONENTS)},
        cov_={(COMPONENTS[i], COMPONENTS[j]): float(covariances[i, j]) for i, j in pairs},
    )


def known(metric: Metric, champion: Moments, candidate: Moments, *, covariate: bool) -> Pair:
    found = pair(metric, champion, candidate, covariate=covariate)
    assert found is not None
    return found


@given(METRICS, SEEDS, COUNTS, COUNTS)
def test_a_ratio_metric_is_compared_as_tea_tasting_compares_it(
    metric: Metric, seed: int, n: int, m: int
) -> None:
    champion, candidate = drawn(seed, n), drawn(seed + 1, m, click=0.13, buy=0.15)
    names = DEFINITIONS[metric]
    assume(champion[names.numerator].any() and candidate[names.numerator].any())
    oracle = tea_tasting.RatioOfMeans(
        names.numerator, names.denominator, use_t=False, equal_var=False
    )
    expected = oracle.analyze_aggregates(aggregates(champion), aggregates(candidate))
    found = known(metric, moments(champion), moments(candidate), covariate=False)
    compared = found.compared(sample_size.critical(0.05), p_value=sample_size.two_sided(found.z()))
    assert compared.champion == pytest.approx(expected.control)
    assert compared.candidate == pytest.approx(expected.treatment)
    assert compared.difference == pytest.approx(expected.rel_effect_size)
    assert compared.p_value == pytest.approx(expected.pvalue, abs=1e-9)
    width = expected.effect_size_ci_upper - expected.effect_size
    assert compared.standard_error == pytest.approx(width / 1.959964, rel=1e-6)


@pytest.mark.parametrize("metric", list(Metric))
def test_the_relative_interval_is_that_of_tea_tasting_for_many_users(metric: Metric) -> None:
    champion, candidate = drawn(3, 40_000), drawn(4, 30_000, click=0.11)
    names = DEFINITIONS[metric]
    oracle = tea_tasting.RatioOfMeans(names.numerator, names.denominator, use_t=False)
    expected = oracle.analyze_aggregates(aggregates(champion), aggregates(candidate))
    found = known(metric, moments(champion), moments(candidate), covariate=False)
    low, high = found.interval(sample_size.critical(0.05))
    # Theirs is symmetric in the logarithm; both approach the same for many users.
    assert low == pytest.approx(expected.rel_effect_size_ci_lower, abs=1e-3)
    assert high == pytest.approx(expected.rel_effect_size_ci_upper, abs=1e-3)


@pytest.mark.parametrize(
    "metric", [Metric.REVENUE_PER_USER, Metric.PURCHASES_PER_USER, Metric.DWELL_PER_SESSION]
)
def test_cuped_agrees_with_tea_tasting(metric: Metric) -> None:
    champion, candidate = drawn(5, 20_000), drawn(6, 20_000, buy=0.11)
    # Dwell for a session does not go with the activity: make what was before tell of it.
    for users in (champion, candidate):
        users["before"] = users["before"] + np.minimum(20, users["dwell"] / users["sessions"] / 10)
    names = DEFINITIONS[metric]
    oracle = tea_tasting.RatioOfMeans(
        names.numerator, names.denominator, numer_covariate="before", use_t=False, equal_var=False
    )
    expected = oracle.analyze_aggregates(aggregates(champion), aggregates(candidate))
    found = known(metric, moments(champion), moments(candidate), covariate=True)
    plain = known(metric, moments(champion), moments(candidate), covariate=False)
    assert found.covariate
    # Their slope is over all users, ours within the arms; the difference vanishes with users.
    assert found.z() == pytest.approx(expected.statistic, abs=0.02)
    assert found.champion == pytest.approx(expected.control, rel=1e-3)
    assert found.candidate == pytest.approx(expected.treatment, rel=1e-3)
    assert found.error() < 0.99 * plain.error()


def test_cuped_is_left_out_if_it_explains_nothing() -> None:
    rng = np.random.default_rng(7)
    arms = []
    for seed in (8, 9):
        users = drawn(seed, 5000)
        arms.append(moments({**users, "before": rng.poisson(4, 5000).astype(float)}))
    found = known(Metric.CLICK_THROUGH_RATE, *arms, covariate=True)
    assert not found.covariate
    assert (found.champion, found.candidate) == (found.champion_value, found.candidate_value)
    never = [moments({**drawn(s, 500), "before": np.zeros(500)}) for s in (1, 2)]
    assert not known(Metric.REVENUE_PER_USER, *never, covariate=True).covariate


@given(METRICS, SEEDS, st.floats(1e-3, 1e3), st.booleans())
def test_the_unit_of_a_metric_does_not_matter(
    metric: Metric, seed: int, by: float, covariate: bool
) -> None:
    champion, candidate = drawn(seed, 200), drawn(seed + 1, 300)
    name = DEFINITIONS[metric].numerator
    before = known(metric, moments(champion), moments(candidate), covariate=covariate)
    arms = [moments(scaled(users, name, by)) for users in (champion, candidate)]
    after = known(metric, *arms, covariate=covariate)
    assert after.z(0.1) == pytest.approx(before.z(0.1), rel=1e-6, abs=1e-6)
    for end, expected in zip(after.interval(2.0), before.interval(2.0), strict=True):
        assert end == (expected and pytest.approx(expected, rel=1e-6, abs=1e-6))
    assert after.contributors == pytest.approx(before.contributors)


@given(METRICS, SEEDS, st.booleans())
def test_arms_that_change_places_change_the_sign(
    metric: Metric, seed: int, covariate: bool
) -> None:
    champion, candidate = arm(seed, 200), arm(seed + 1, 300, click=0.2)
    there = known(metric, champion, candidate, covariate=covariate)
    back = known(metric, candidate, champion, covariate=covariate)
    assert back.z() == pytest.approx(-there.z(), abs=1e-9)
    low, high = there.interval(2.0)
    if low is not None and high is not None and low > -1:
        expected = (1 / (1 + high) - 1, 1 / (1 + low) - 1)
        assert back.interval(2.0) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(METRICS, SEEDS, st.floats(0.5, 5.0), st.floats(0.02, 0.3))
def test_an_interval_excludes_exactly_what_its_test_rejects(
    metric: Metric, seed: int, multiplier: float, click: float
) -> None:
    found = known(metric, arm(seed, 300), arm(seed + 1, 300, click=click), covariate=True)
    low, high = found.interval(multiplier)
    if low is None or high is None:
        assert found.champion <= multiplier * math.sqrt(found.variance_champion / 300) + 1e-12
        return
    assert low <= found.candidate / found.champion - 1 <= high
    # `z` counts a gain, which is a decrease where less is better.
    if low > -1:
        assert found.z(found.sign * low) == pytest.approx(found.sign * multiplier, rel=1e-6)
    assert found.z(found.sign * high) == pytest.approx(-found.sign * multiplier, rel=1e-6)


def test_fewer_fallbacks_are_better_and_more_clicks_are() -> None:
    champion, candidate = arm(1, 2000), arm(2, 2000, click=0.3)
    assert known(Metric.CLICK_THROUGH_RATE, champion, candidate, covariate=False).z() > 5
    more = moments(scaled(drawn(2, 2000), "fallbacks", 3))
    assert known(Metric.FALLBACK_SHARE, champion, more, covariate=False).z() < -5


@pytest.mark.parametrize("metric", list(Metric))
def test_arms_without_users_have_no_values(metric: Metric) -> None:
    some, one = arm(1, 50), arm(1, 1)
    for arms in ((NONE, some), (some, NONE), (NONE, NONE), (one, some)):
        assert pair(metric, *arms) is None
    assert estimates.no_values(metric, NONE, some).champion is None
    assert estimates.no_values(metric, NONE, some).candidate is not None


def test_a_metric_of_zeros_has_no_relative_difference_and_not_enough_users() -> None:
    zero = moments({name: np.zeros(500) for name in COMPONENTS})
    found = known(Metric.REVENUE_PER_USER, zero, zero, covariate=True)
    assert not found.enough
    assert found.z() == 0.0
    compared = found.compared(2.0)
    assert (compared.difference, compared.low, compared.high) == (None, None, None)
    # No answers: a click-through rate is not even 0.
    assert pair(Metric.CLICK_THROUGH_RATE, zero, zero) is None


def test_moments_without_the_metrics_components_have_no_value() -> None:
    few = Moments(10, {"answers": 10.0}, {"answers*answers": 10.0})
    assert pair(Metric.CLICK_THROUGH_RATE, few, few) is None


def test_one_user_who_makes_the_metric_is_not_enough() -> None:
    users = drawn(1, 500)
    users["revenue"] = np.minimum(users["revenue"], 5.0)
    users["revenue"][0] = 10_000.0
    assert not known(Metric.REVENUE_PER_USER, moments(users), arm(2, 500), covariate=False).enough
    assert known(Metric.CLICK_THROUGH_RATE, moments(users), arm(2, 500), covariate=False).enough


def test_an_arm_needs_100_users() -> None:
    assert known(Metric.RETURN_RATE, arm(1, 100), arm(2, 500), covariate=False).enough
    assert not known(Metric.RETURN_RATE, arm(1, 99), arm(2, 500), covariate=False).enough
    assert not known(Metric.RETURN_RATE, arm(2, 500), arm(1, 99), covariate=False).enough


def test_arms_in_each_of_which_all_users_are_alike_differ_beyond_any_chance() -> None:
    names = {"converted": np.ones(200)}
    all_, none = moments(names), moments({"converted": np.zeros(200)})
    found = known(Metric.CONVERSION_RATE, all_, none, covariate=False)
    assert found.z() == -math.inf
    assert known(Metric.CONVERSION_RATE, all_, all_, covariate=False).z() == 0.0
