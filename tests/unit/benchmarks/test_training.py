"""The intervals of the training benchmark know that another seed is another fit."""

from __future__ import annotations

import numpy as np
import pytest

from recommender_training.common.arrays import Doubles
from tests.benchmarks.training import over_seeds, within_repeats


def spread(resampled: Doubles) -> float:
    return float(over_seeds(resampled, np.random.default_rng(0)).std())


def test_repeats_that_agree_leave_the_interval_of_the_users() -> None:
    users = np.random.default_rng(1).normal(size=4000)
    assert np.allclose(over_seeds(np.stack([users] * 3), np.random.default_rng(0)), users)


@pytest.mark.parametrize("seeds", [3, 8])
def test_repeats_that_differ_spread_as_their_mean_does(seeds: int) -> None:
    of_seed = np.random.default_rng(1).normal(size=seeds)
    expected = of_seed.std(ddof=1) / seeds**0.5
    assert spread(np.repeat(of_seed[:, None], 20_000, 1)) == pytest.approx(expected, rel=0.03)


def test_the_mean_stays() -> None:
    resampled = np.random.default_rng(1).normal(size=(5, 20_000))
    found = over_seeds(resampled, np.random.default_rng(0)).mean()
    assert found == pytest.approx(resampled.mean(), abs=0.02)


def test_one_repeat_is_taken_as_it_is() -> None:
    assert over_seeds(np.array([[1.0, 2.0]]), np.random.default_rng(0)).tolist() == [1.0, 2.0]


def test_ratios_within_repeats_know_what_disturbed_both_sides() -> None:
    told = within_repeats([100.0, 52.0, 99.0], [100.0, 50.0, 110.0])
    assert told == {"median": 1.0, "least": 0.9, "most": 1.04}


def test_sides_of_different_repeats_are_not_compared() -> None:
    with pytest.raises(ValueError, match="longer"):
        within_repeats([1.0], [1.0, 2.0])
