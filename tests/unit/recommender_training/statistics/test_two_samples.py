"""The tests between windows hold their level on users, and agree with those of the operator."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.analysis import distributions, tail_probabilities
from recommender_training.statistics import two_samples

COUNTS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=12)


@given(COUNTS, st.floats(1, 20), st.floats(1, 20))
def test_histograms_are_compared_as_the_operator_compares_served_sessions(
    pairs: list[tuple[int, int]], one: float, other: float
) -> None:
    here = two_samples.effective(np.array([a for a, _ in pairs], dtype=np.float64), one)
    there = two_samples.effective(np.array([b for _, b in pairs], dtype=np.float64), other)
    by_name = [{str(i): float(n) for i, n in enumerate(each)} for each in (here, there)]
    assert two_samples.homogeneity(here, there) == pytest.approx(
        distributions.homogeneity(*by_name), rel=1e-6, abs=1e-12
    )
    assert two_samples.distance(here, there) == pytest.approx(
        distributions.total_variation(*by_name), abs=1e-9
    )


@given(st.lists(st.floats(0, 1), max_size=20))
def test_p_values_are_corrected_as_the_operator_corrects_them(p_values: list[float]) -> None:
    assert two_samples.holm(p_values) == pytest.approx(tail_probabilities.holm(p_values))


def test_the_error_of_a_share_is_that_of_its_users() -> None:
    """Against resamples of whole users; rows taken for independent would give a tenth of it."""
    random = np.random.default_rng(1)
    rows = random.integers(1, 200, 400).astype(np.float64)
    hits = np.where(random.random(400) < 0.3, rows, 0.0)
    drawn = random.integers(0, 400, (4000, 400))
    shares = hits[drawn].sum(1) / rows[drawn].sum(1)
    error = two_samples.ratio_error(rows, hits)
    assert error == pytest.approx(shares.std(), rel=0.05)
    share = hits.sum() / rows.sum()
    assert error > 8 * math.sqrt(share * (1 - share) / rows.sum())


def test_nothing_can_be_said_of_one_user() -> None:
    assert two_samples.ratio_error(np.array([50.0]), np.array([20.0])) == 0.0


@pytest.mark.parametrize(
    ("now", "before", "p_value"),
    [
        ((0.3, 0.01), (0.3, 0.02), 1.0),
        ((1.0, 0.0), (0.0, 0.0), 0.0),
        ((0.0, 0.0), (0.0, 0.0), 1.0),
        ((0.5, 0.03), (0.5 + 0.05 * 1.959964, 0.04), 0.05),
    ],
)
def test_shares_differ_by_their_errors(
    now: tuple[float, float], before: tuple[float, float], p_value: float
) -> None:
    assert two_samples.differs(*now, *before) == pytest.approx(p_value, abs=1e-6)
