"""The benchmark of sizes judges the ranker's probabilities of the last days by the true ones."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from lab.benchmarks.schema_sizes import figures

from tests.benchmarks.schema_gap import TEST_DAYS, VALIDATION_DAYS, Logged

DAYS = TEST_DAYS + VALIDATION_DAYS + 2


@pytest.fixture(scope="module")
def logged() -> Logged:
    """Impressions of 400 users, 10 of each on the last days, and one before."""
    random = np.random.default_rng(3)
    day = np.repeat([DAYS - 1, 0], [4000, 400])
    truth = random.uniform(0.002, 0.05, len(day))
    log = pl.DataFrame(
        {
            "user_id": [f"u{number % 400}" for number in range(len(day))],
            "clicked": random.random(len(day)) < truth,
        }
    )
    return Logged(log, truth, day, DAYS)


def test_the_truth_itself_has_no_gap_and_is_calibrated(logged: Logged) -> None:
    found = figures(logged, logged.true)
    assert found["auc_gap"] == 0.0
    assert found["auc_gap_interval"] == [0.0, 0.0]
    assert found["auc"] == found["auc_truth"]
    assert found["normalised_entropy"] == found["normalised_entropy_truth"]
    assert found["calibration_at_true_rate"] == pytest.approx(1.0, abs=0.3)


def test_a_guess_is_behind_the_truth_by_more_than_the_chance_of_its_users(logged: Logged) -> None:
    random = np.random.default_rng(4)
    found = figures(logged, logged.true * random.uniform(0.3, 1.7, len(logged.true)))
    low, high = found["auc_gap_interval"]
    assert 0 < low < found["auc_gap"] < high
    assert found["normalised_entropy"] > found["normalised_entropy_truth"]
