"""The comparison of lists looks at no test window, and says what its rule says."""

from __future__ import annotations

import numpy as np
import pytest

from recommender_training.config.training import Retrieval, TrainingConfig
from recommender_training.data.dataset import Dataset
from tests.benchmarks import lists, quality

USERS = 40


@pytest.mark.parametrize("end", quality.WINDOWS)
def test_a_rolling_window_is_judged_by_what_came_before_it_and_ends_before_the_test_window(
    data: Dataset, end: float
) -> None:
    prepared, time = lists.rolling(data, end, TrainingConfig()), data.events.time
    split, known = prepared.split, prepared.data.events
    assert known.time[-1] < time[int(len(time) * end)] <= time[int(len(time) * 0.9)]
    assert known.time[split.train].max() < known.time[split.validation].min()
    assert known.time[split.validation].max() < known.time[split.test].min()
    rows = np.concatenate([split.train, split.validation, split.test])
    np.testing.assert_array_equal(rows, np.arange(len(known)))
    assert len(split.test) == pytest.approx(len(time) / 10, rel=0.1)


def runs(lead: dict[int, float], spread: float) -> list[lists.Judged]:
    """One window of USERS requests a seed; `lead` is the mean difference of each seed."""
    random, user = np.random.default_rng(0), np.arange(USERS)
    before = random.random(USERS)
    noise = random.normal(size=USERS) * spread
    noise -= noise.mean()
    return [
        lists.Judged(
            0.6, seed, user, {Retrieval.WEIGHTS: before, Retrieval.BOTH: before + noise + mean}
        )
        for seed, mean in lead.items()
    ]


@pytest.mark.parametrize(
    ("lead", "spread", "holds"),
    [
        ({1: 0.02, 2: 0.01}, 0.01, True),
        ({1: 0.02, 2: 0.01}, 0.5, False),  # the interval has 0 in it
        ({1: 0.05, 2: -0.01}, 0.01, False),  # a seed is behind
    ],
)
def test_towers_hold_with_an_interval_above_zero_and_no_seed_behind(
    lead: dict[int, float], spread: float, holds: bool
) -> None:
    told = lists.compare(runs(lead, spread))
    assert told["holds"] is holds
    assert told["difference"] == pytest.approx(np.mean(list(lead.values())), abs=1e-4)
    assert told["by_seed"] == {str(seed): value for seed, value in lead.items()}
    assert told["low"] <= told["difference"] <= told["high"]
    assert told["by_window"][0]["requests"] == told["requests"] == USERS


def test_a_user_of_two_windows_is_drawn_with_both(data: Dataset) -> None:
    one = runs({1: 0.02}, 0.1)[0]
    twice = [one, lists.Judged(0.7, 1, one.user, one.ndcg)]
    alone, together = lists.compare([one]), lists.compare(twice)
    assert (together["low"], together["high"]) == (alone["low"], alone["high"])
    assert together["users"] == alone["users"] == USERS
