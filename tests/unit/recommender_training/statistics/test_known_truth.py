"""The truth is the best answer, and metrics of rare positives are what they are defined as."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from recommender_training.common.arrays import Bools, Doubles
from recommender_training.statistics import known_truth, model_metrics

seeds = st.integers(0, 2**32 - 1)
labels = st.lists(st.booleans(), min_size=2, max_size=200).map(np.array)
#: Standard errors within which chance keeps, in as many examples as are ever tried.
CHANCE = 6.0


def clicks(seed: int, rows: int = 50_000) -> tuple[Bools, Doubles]:
    """Labels drawn by their true probability, 0.1 to 1 % on average, and that probability."""
    random = np.random.default_rng(seed)
    logit = random.normal(random.uniform(-7.5, -5.5), 1.2, rows)
    truth = 1 / (1 + np.exp(-logit))
    return random.random(rows) < truth, truth


@given(label=labels)
def test_normalised_entropy_of_the_base_rate_is_one(label: Bools) -> None:
    answer = np.full(len(label), label.mean())
    found = model_metrics.normalised_entropy(label, answer)
    if label.all() or not label.any():
        assert found is None
    else:
        assert found == pytest.approx(1.0)


@given(label=labels, seed=seeds)
def test_normalised_entropy_of_copies_of_the_rows_is_that_of_the_rows(
    label: Bools, seed: int
) -> None:
    answer = np.random.default_rng(seed).uniform(0.01, 0.99, len(label))
    once = model_metrics.normalised_entropy(label, answer)
    twice = model_metrics.normalised_entropy(np.tile(label, 2), np.tile(answer, 2))
    assert twice == (None if once is None else pytest.approx(once))


@given(label=labels, seed=seeds)
def test_average_precision_is_that_of_scikit_learn(label: Bools, seed: int) -> None:
    score = np.random.default_rng(seed).choice([0.0, 0.1, 0.25, 0.5, 0.9], len(label))
    if not label.any():
        assert model_metrics.average_precision(label, score) is None
        return
    expected = average_precision_score(label, score)
    assert model_metrics.average_precision(label, score) == pytest.approx(expected, abs=1e-12)


@given(
    truth=st.lists(st.sampled_from([0.0, 0.01, 0.2, 0.5, 1.0]), min_size=2, max_size=12),
    seed=seeds,
)
def test_expected_auc_weighs_each_pair_by_how_likely_one_is_positive_and_the_other_not(
    truth: list[float], seed: int
) -> None:
    score = np.random.default_rng(seed).choice([0.0, 1.0, 2.0, 3.0], len(truth))
    won = total = 0.0
    for one, other in itertools.permutations(range(len(truth)), 2):
        weight = truth[one] * (1 - truth[other])
        total += weight
        won += weight * ((score[one] > score[other]) + (score[one] == score[other]) / 2)
    if total == 0:
        with pytest.raises(ValueError, match="of one class"):
            known_truth.expected_auc(np.array(truth), score)
    else:
        found = known_truth.expected_auc(np.array(truth), score)
        assert found == pytest.approx(won / total, abs=1e-9)


@given(label=labels, seed=seeds)
def test_expected_auc_of_what_is_certain_is_the_auc(label: Bools, seed: int) -> None:
    assume(label.any() and not label.all())
    score = np.random.default_rng(seed).choice([0.0, 1.0, 2.0], len(label))
    found = known_truth.expected_auc(label.astype(np.float64), score)
    assert found == pytest.approx(model_metrics.auc(label, score))


@given(seed=seeds, counts=st.lists(st.integers(0, 3), min_size=2, max_size=30))
def test_expected_auc_of_weighted_rows_is_that_of_their_copies(
    seed: int, counts: list[int]
) -> None:
    assume(sum(counts) > 1)
    random = np.random.default_rng(seed)
    truth, score = random.uniform(0.01, 0.9, len(counts)), random.choice([0.0, 1.0], len(counts))
    weighted = known_truth.expected_auc(truth, score, np.array(counts, dtype=np.float64))
    copied = known_truth.expected_auc(np.repeat(truth, counts), np.repeat(score, counts))
    assert weighted == pytest.approx(copied)


@given(seed=seeds)
def test_no_score_has_a_higher_expected_auc_than_the_truth(seed: int) -> None:
    _, truth = clicks(seed, rows=2000)
    best = known_truth.expected_auc(truth, truth)
    other = truth * np.random.default_rng([seed, 3]).lognormal(0, 1, len(truth))
    assert known_truth.expected_auc(truth, other) <= best
    assert known_truth.expected_auc(truth, np.log(truth)) == pytest.approx(best)


@given(label=labels, factor=st.floats(0.01, 1.0))
def test_calibration_ratio_is_the_factor_by_which_the_base_rate_is_missed(
    label: Bools, factor: float
) -> None:
    found = model_metrics.calibration_ratio(label, np.full(len(label), label.mean() * factor))
    assert found == (pytest.approx(factor) if label.any() else None)


@given(
    seed=seeds,
    slope=st.floats(0.3, 2.5),
    shift=st.floats(-1.0, 1.0),
    noise=st.floats(0.0, 1.5),
)
def test_no_distortion_has_a_better_log_loss_than_the_truth_beyond_chance(
    seed: int, slope: float, shift: float, noise: float
) -> None:
    label, truth = clicks(seed)
    logit = np.log(truth / (1 - truth))
    noisy = np.random.default_rng([seed, 1]).normal(0, noise, len(logit))
    distorted = 1 / (1 + np.exp(-(slope * logit + shift + noisy)))
    ahead = model_metrics.log_losses(label, truth) - model_metrics.log_losses(label, distorted)
    # The likelihood ratio of a wrong answer to the truth exceeds e^c with probability e^-c.
    assert ahead.sum() < 3 * CHANCE


@given(seed=seeds, slope=st.floats(0.3, 3.0), shift=st.floats(-2.0, 2.0))
@example(seed=20826, slope=1.0, shift=0.0)  # two clicks, on which the truth is worse than chance
def test_a_rising_distortion_has_the_ranking_of_the_truth_and_another_calibration(
    seed: int, slope: float, shift: float
) -> None:
    label, truth = clicks(seed, rows=5000)
    assume(label.any())
    distorted = 1 / (1 + np.exp(-(slope * np.log(truth / (1 - truth)) + shift)))
    found = known_truth.compare(label, distorted, truth, np.arange(len(label)) % 500)
    assert found.auc == pytest.approx(found.auc_truth, abs=1e-9)
    if found.auc_truth > 0.51:
        assert found.auc_ratio == pytest.approx(1.0, abs=1e-6)
    elif found.auc_truth <= 0.5:
        assert np.isnan(found.auc_ratio)
    assert found.pr_auc == pytest.approx(found.pr_auc_truth, abs=1e-9)
    expected = distorted.mean() / label.mean()
    assert found.calibration.value == pytest.approx(expected)


@given(seed=seeds)
def test_noise_costs_auc_and_normalised_entropy(seed: int) -> None:
    label, truth = clicks(seed)
    assume(label.sum() > 50)
    logit = np.log(truth / (1 - truth))
    noisy = logit + np.random.default_rng([seed, 2]).normal(0, 4.0, len(logit))
    answer = 1 / (1 + np.exp(-noisy))
    found = known_truth.compare(label, answer, truth, np.arange(len(label)) % 1000)
    assert found.auc < found.auc_truth
    assert found.normalised_entropy > found.normalised_entropy_truth


@given(seed=seeds)
def test_the_truth_is_calibrated_up_to_chance(seed: int) -> None:
    label, truth = clicks(seed)
    ratio = model_metrics.calibration_ratio(label, truth)
    assert ratio is not None
    spread = math.sqrt(float((truth * (1 - truth)).sum()))
    assert abs(float(truth.sum()) - label.sum()) < CHANCE * spread + 3


def test_the_interval_of_the_calibration_holds_the_truth_about_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(40):
        label, truth = clicks(seed, rows=10_000)
        user = np.arange(len(label)) % 200
        found = known_truth.calibration_estimate(label, truth, user)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 1.0 <= found.high
    assert inside >= 34


@pytest.mark.parametrize("label", [np.zeros(5, dtype=np.bool_), np.ones(5, dtype=np.bool_)])
def test_one_class_alone_is_refused_with_its_count(label: Bools) -> None:
    answer = np.full(5, 0.5)
    with pytest.raises(ValueError, match=f"{label.sum()} of 5 rows are positive"):
        known_truth.compare(label, answer, answer, np.arange(5))


def test_a_truth_that_knows_nothing_has_no_ratio() -> None:
    label = np.array([True, False, True, False])
    found = known_truth.compare(
        label, np.array([0.9, 0.1, 0.8, 0.2]), np.full(4, 0.5), np.arange(4)
    )
    assert found.auc == 1.0
    assert math.isnan(found.auc_ratio)
    assert found.calibration.low is None
