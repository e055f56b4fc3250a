"""Intervals by resampling users are exact in their arithmetic and cover as often as they say."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from recommender_training.evaluation import confidence_intervals
from recommender_training.statistics import bootstrap, model_metrics

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def sample(
    seed: int, users: int = 12, rows: int = 60
) -> tuple[npt.NDArray[np.bool_], Floats, Ints]:
    """Labels, scores with ties, and users whose numbers have gaps."""
    random = np.random.default_rng(seed)
    score = np.round(random.random(rows), 1)
    return random.random(rows) < 0.5, score, random.integers(0, users, rows) * 7 + 3


def repeated(drawn: bootstrap.Resamples, index: int, user: Ints) -> Ints:
    """Rows of one resample, each as often as its user was drawn."""
    times = drawn.weight[index][drawn.place(user)]
    return np.repeat(np.arange(len(user)), times)


@given(seed=st.integers(0, 2**32 - 1))
def test_each_resample_is_judged_as_its_rows_written_out(seed: int) -> None:
    label, score, user = sample(seed)
    drawn = bootstrap.draw(user, resamples=6, seed=seed)
    assert (drawn.weight.sum(1) == len(drawn.users)).all()
    areas = bootstrap.auc(drawn, label, score, user)
    losses = model_metrics.log_losses(label, score)
    mean = bootstrap.mean(drawn, losses, user)
    both = bootstrap.means(drawn, np.stack([losses, score], axis=1), user)
    for index in range(len(drawn)):
        rows = repeated(drawn, index, user)
        expected = model_metrics.auc(label[rows], score[rows])
        assert areas[index] == pytest.approx(
            expected if expected is not None else np.nan, nan_ok=True
        )
        assert mean[index] == pytest.approx(model_metrics.log_loss(label[rows], score[rows]))
        assert both[index] == pytest.approx([losses[rows].mean(), score[rows].mean()])


def test_computed_in_blocks_or_at_once_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    label, score, user = sample(1)
    drawn = bootstrap.draw(user, resamples=25)
    at_once = bootstrap.auc(drawn, label, score, user)
    monkeypatch.setattr(bootstrap, "_BLOCK", 4 * len(label))
    assert (bootstrap.auc(drawn, label, score, user) == at_once).all()


def test_the_same_seed_draws_the_same_users_and_another_one_others() -> None:
    user = np.arange(40)
    first, again, other = (bootstrap.draw(user, seed=seed).weight for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_more_rows_mean_fewer_resamples_within_stated_bounds() -> None:
    few, some, many = (bootstrap.draw(np.arange(n) % 50) for n in (1000, 80_000, 10**6))
    assert len(few) == bootstrap.MAX_RESAMPLES
    assert bootstrap.MIN_RESAMPLES < len(some) < bootstrap.MAX_RESAMPLES
    assert len(many) == bootstrap.MIN_RESAMPLES


def test_a_window_like_that_of_movielens_takes_well_under_a_second_of_the_processor() -> None:
    label, score, user = sample(3, users=160, rows=10_000)
    began = time.process_time()
    drawn = bootstrap.draw(user)
    bootstrap.auc(drawn, label, score, user)
    assert time.process_time() - began < 3.0, "0.2 s where it was written"


def test_too_few_users_or_a_class_that_is_rarely_drawn_give_no_interval() -> None:
    label, score, user = sample(4, users=bootstrap.MIN_USERS - 1, rows=400)
    drawn = bootstrap.draw(user)
    assert bootstrap.interval(drawn, bootstrap.auc(drawn, label, score, user)) is None
    label, score, user = sample(4, users=30, rows=400)
    label[:] = user == user[0]
    drawn = bootstrap.draw(user)
    areas = bootstrap.auc(drawn, label, score, user)
    assert 0.2 < np.isnan(areas).mean() < 0.6, "that user is left out of a third"
    assert bootstrap.interval(drawn, areas) is None
    told = confidence_intervals.Sampled(0.5, areas, 30).estimate(drawn)
    assert told == {"value": 0.5, "low": None, "high": None}


SIMULATIONS, USERS, ROWS_EACH = 300, 80, 10
SHIFT, SPREAD, LEAD = 1.2, 1.0, 0.25


def simulate(random: np.random.Generator) -> tuple[npt.NDArray[np.bool_], Floats, Floats, Ints]:
    """Labels and two scores of users who differ in how well they can be told apart.

    Given the label both scores are normal, so their areas in the population are known (`truth`).
    """
    user = np.repeat(np.arange(USERS), ROWS_EACH)
    label = random.random(len(user)) < 0.5
    shift = random.normal(SHIFT, SPREAD, USERS)[user]
    noise = random.normal(0, 1, (2, len(user)))
    return label, label * shift + noise[0], label * (shift - LEAD) + noise[1], user


def truth(shift: float) -> float:
    return float(norm.cdf(shift / np.sqrt(2 + SPREAD**2)))


@pytest.fixture(scope="module")
def covered() -> dict[str, float]:
    """Shares of simulations whose 90 % interval holds the truth."""
    random = np.random.default_rng(20260101)
    area, lead = truth(SHIFT), truth(SHIFT) - truth(SHIFT - LEAD)
    hits = {"by users": 0, "by rows": 0, "paired": 0}
    for seed in range(SIMULATIONS):
        label, score, other, user = simulate(random)
        drawn = bootstrap.draw(user, resamples=400, level=0.9, seed=seed)
        areas = bootstrap.auc(drawn, label, score, user)
        hits["by users"] += inside(bootstrap.interval(drawn, areas), area)
        difference = areas - bootstrap.auc(drawn, label, other, user)
        hits["paired"] += inside(bootstrap.interval(drawn, difference), lead)
        row = np.arange(len(user))
        rowwise = bootstrap.draw(row, resamples=200, level=0.9, seed=seed)
        found = bootstrap.interval(rowwise, bootstrap.auc(rowwise, label, score, row))
        hits["by rows"] += inside(found, area)
    return {name: count / SIMULATIONS for name, count in hits.items()}


def inside(ends: tuple[float, float] | None, value: float) -> bool:
    assert ends is not None
    return ends[0] <= value <= ends[1]


@pytest.mark.parametrize("kind", ["by users", "paired"])
def test_a_ninety_percent_interval_covers_the_truth_about_as_often(
    covered: dict[str, float], kind: str
) -> None:
    # 300 simulations: a share of 0.9 has a standard error of 0.017
    assert 0.85 <= covered[kind] <= 0.95


def test_resampling_rows_in_place_of_users_would_promise_too_much(
    covered: dict[str, float],
) -> None:
    assert covered["by rows"] < 0.8


def test_a_metric_of_few_of_the_users_has_no_interval_and_neither_has_its_difference() -> None:
    drawn = bootstrap.draw(np.arange(100), resamples=50)
    spread = np.linspace(0, 1, 50)
    few = confidence_intervals.Sampled(0.5, spread, bootstrap.MIN_USERS - 1)
    many = confidence_intervals.Sampled(0.5, spread, 100)
    assert many.estimate(drawn)["low"] is not None
    for each in (few, few.minus(many), many.minus(few), many.over(few)):
        assert each.estimate(drawn)["low"] is None
