from __future__ import annotations

import math

import numpy as np
import pytest
import tea_tasting
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tea_tasting.aggr import Aggregates

from recommender_operator.experiments import sample_size

# Beyond these the wrong tail, which ours leaves out, has a part in the power.
ALPHAS = st.floats(0.001, 0.1)
POWERS = st.floats(0.7, 0.99)
SHARES = st.floats(0.02, 0.98)


@given(st.floats(0.01, 100.0), st.floats(0.02, 0.3), ALPHAS, POWERS, SHARES)
def test_the_planned_users_are_tea_tastings(
    mean: float, effect: float, alpha: float, power: float, share: float
) -> None:
    variance = 3 * mean * mean
    oracle = tea_tasting.Mean(
        "x",
        use_t=False,
        equal_var=False,
        alpha=alpha,
        power=power,
        ratio=share / (1 - share),
        rel_effect_size=effect,
    )
    sample = Aggregates(count_=1000, mean_={"x": mean}, var_={"x": variance})
    (expected,) = oracle.solve_power_from_aggregates(sample, "n_obs")
    assert expected.n_obs is not None
    users = sample_size.users_per_arm(
        (variance, variance), effect * mean, alpha=alpha, power=power, share=share
    )
    assert sum(users) == pytest.approx(expected.n_obs, rel=2e-3, abs=3)
    assert users[1] / sum(users) == pytest.approx(share, abs=2 / sum(users))


@given(ALPHAS, POWERS, SHARES, st.tuples(*[st.floats(0.1, 10)] * 2))
def test_the_planned_users_find_the_distance_with_the_power(
    alpha: float, power: float, share: float, variances: tuple[float, float]
) -> None:
    there, here = sample_size.users_per_arm(variances, 0.01, alpha=alpha, power=power, share=share)
    error = math.sqrt(variances[0] / there + variances[1] / here)
    found = stats.norm.sf(stats.norm.isf(alpha / 2) - 0.01 / error)
    assert found == pytest.approx(power, abs=1e-3)
    assert found >= power - 1e-9


@pytest.mark.parametrize("distance", [1e-9, 1e-200, 0.0])
@pytest.mark.parametrize("share", [0.01, 0.5])
def test_the_planned_users_are_bounded_for_a_distance_that_nobody_can_measure(
    distance: float, share: float
) -> None:
    users = sample_size.users_per_arm((1e6, 1e6), distance, alpha=0.05, power=0.8, share=share)
    assert users == (sample_size.MAX_USERS, sample_size.MAX_USERS)


@given(st.floats(-8, 8))
def test_p_values_are_scipys(z: float) -> None:
    assert sample_size.two_sided(z) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-9)


def test_infinite_evidence_has_a_p_value_of_0() -> None:
    assert sample_size.two_sided(-math.inf) == 0.0


@pytest.mark.parametrize(("z", "fraction"), [(0.5, 0.3), (-1.0, 0.5), (2.0, 0.8)])
def test_the_conditional_power_is_that_of_simulated_ends(z: float, fraction: float) -> None:
    drift, least = 2.8, 1.96
    rng = np.random.default_rng(1)
    left = 1 - fraction
    ends = z * math.sqrt(fraction) + rng.normal(drift * left, math.sqrt(left), 200_000)
    found = sample_size.conditional_power(z, fraction=fraction, drift=drift, least=least)
    assert found == pytest.approx((ends >= least).mean(), abs=0.005)


@given(st.floats(-4, 4), st.floats(0.01, 0.99), st.floats(0, 5), st.floats(0.01, 1))
def test_more_evidence_makes_an_end_more_likely(
    z: float, fraction: float, drift: float, more: float
) -> None:
    less = sample_size.conditional_power(z, fraction=fraction, drift=drift, least=1.96)
    assert (
        sample_size.conditional_power(z + more, fraction=fraction, drift=drift, least=1.96) >= less
    )
    assert (
        sample_size.conditional_power(z, fraction=fraction, drift=drift + more, least=1.96) >= less
    )


@pytest.mark.parametrize(("z", "power"), [(1.96, 1.0), (1.95, 0.0)])
def test_at_the_end_nothing_is_left_to_chance(z: float, power: float) -> None:
    assert sample_size.conditional_power(z, fraction=1.0, drift=2.8, least=1.96) == power
