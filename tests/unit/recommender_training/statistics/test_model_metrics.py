"""Metrics equal those of scikit-learn and of trec_eval."""

from __future__ import annotations

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss, ndcg_score, roc_auc_score

from recommender_training.common.arrays import Doubles
from recommender_training.statistics import model_metrics

responses = st.integers(2, 200).flatmap(
    lambda n: st.tuples(
        st.lists(st.booleans(), min_size=n, max_size=n),
        # few distinct values, so that there are ties
        st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), min_size=n, max_size=n),
    )
)


@given(pair=responses)
def test_auc_is_that_of_scikit_learn(pair: tuple[list[bool], list[float]]) -> None:
    label, score = np.array(pair[0]), np.array(pair[1])
    if label.all() or not label.any():
        assert model_metrics.auc(label, score) is None
        return
    assert model_metrics.auc(label, score) == pytest.approx(roc_auc_score(label, score), abs=1e-12)


@given(pair=responses)
def test_log_loss_is_that_of_scikit_learn(pair: tuple[list[bool], list[float]]) -> None:
    label = np.array(pair[0])
    probability = np.clip(np.array(pair[1]), 1e-6, 1 - 1e-6)
    expected = log_loss(label, probability, labels=[False, True])
    assert model_metrics.log_loss(label, probability) == pytest.approx(expected, rel=1e-9)


@given(pair=responses, seed=st.integers(0, 2**32 - 1))
def test_calibration_error_is_that_of_the_reliability_curve_of_scikit_learn(
    pair: tuple[list[bool], list[float]], seed: int
) -> None:
    """That tells the mean label and probability of each bin with rows; here are its rows."""
    label, probability = np.array(pair[0]), np.array(pair[1])
    probability = np.where(np.arange(len(label)) % 2, probability, random_of(seed, len(label)))
    bins = model_metrics.CALIBRATION_BINS
    positive, mean = calibration_curve(label, probability, n_bins=bins, strategy="quantile")
    rows = np.unique(model_metrics.calibration_bins(probability), return_counts=True)[1]
    expected = float(rows @ np.abs(positive - mean)) / len(label)
    assert model_metrics.calibration_error(label, probability) == pytest.approx(
        expected, abs=1e-12
    )


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(15, 400))
def test_calibration_bins_hold_about_equally_many_rows_however_rare_the_positives(
    seed: int, rows: int
) -> None:
    probability = random_of(seed, rows) * 0.004
    counts = np.bincount(
        model_metrics.calibration_bins(probability), minlength=model_metrics.CALIBRATION_BINS
    )
    assert counts.max() - counts.min() <= 2  # edges are rounded
    order = np.argsort(probability)
    assert (np.diff(model_metrics.calibration_bins(probability)[order]) >= 0).all()


@given(probability=st.floats(0, 1), labels=st.lists(st.booleans(), min_size=1, max_size=50))
def test_the_calibration_error_of_a_constant_is_its_distance_from_the_share(
    probability: float, labels: list[bool]
) -> None:
    label = np.array(labels)
    error = model_metrics.calibration_error(label, np.full(len(label), probability))
    assert error == pytest.approx(abs(label.mean() - probability), abs=1e-9)


@given(pair=responses)
def test_normalised_entropy_is_the_log_loss_over_that_of_the_base_rate(
    pair: tuple[list[bool], list[float]],
) -> None:
    label, probability = np.array(pair[0]), np.clip(np.array(pair[1]), 1e-6, 1 - 1e-6)
    share = label.mean()
    if not 0 < share < 1:
        assert model_metrics.normalised_entropy(label, probability) is None
        return
    constant = log_loss(label, np.full(len(label), share), labels=[False, True])
    expected = log_loss(label, probability, labels=[False, True]) / constant
    assert model_metrics.normalised_entropy(label, probability) == pytest.approx(
        expected, rel=1e-9
    )
    always = model_metrics.normalised_entropy(label, np.full(len(label), share))
    assert always == pytest.approx(1.0)


@given(pair=responses, factor=st.floats(0.1, 1))
def test_the_calibration_ratio_is_predicted_over_actual_positives(
    pair: tuple[list[bool], list[float]], factor: float
) -> None:
    label, probability = np.array(pair[0]), np.array(pair[1])
    found = model_metrics.calibration_ratio(label, probability * factor)
    if not label.any():
        assert found is None
        return
    assert found == pytest.approx(factor * probability.sum() / label.sum())


def random_of(seed: int, count: int) -> Doubles:
    return np.random.default_rng(seed).random(count)


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 12))
def test_rankings_are_judged_as_trec_eval_judges_them(seed: int, k: int) -> None:
    random = np.random.default_rng(seed)
    score = random.permutation(20 * 7).reshape(7, 20).astype(np.float64)
    excluded = random.random((7, 20)) < 0.2
    # from requests that asked for one item to those that asked for most
    relevant = (random.random((7, 20)) < random.random() ** 2) & ~excluded
    relevant[np.arange(7), np.argmin(excluded, axis=1)] = True
    if (~excluded).sum(1).min() < k:
        return
    top = model_metrics.top_k(np.where(excluded, -np.inf, score), k)
    hits, wanted = np.take_along_axis(relevant, top, axis=1), relevant.sum(1)
    truth = {
        str(r): {str(i): int(relevant[r, i]) for i in range(20) if not excluded[r, i]}
        for r in range(7)
    }
    run = {
        str(r): {str(i): float(score[r, i]) for i in range(20) if not excluded[r, i]}
        for r in range(7)
    }
    measures = {f"P_{k}", f"recall_{k}", f"ndcg_cut_{k}"}
    judged = pytrec_eval.RelevanceEvaluator(truth, measures).evaluate(run)
    for r in range(7):
        assert model_metrics.precision_at_k(hits)[r] == pytest.approx(judged[str(r)][f"P_{k}"])
        assert model_metrics.recall_at_k(hits, wanted)[r] == pytest.approx(
            judged[str(r)][f"recall_{k}"]
        )
        assert model_metrics.ndcg_at_k(hits, wanted)[r] == pytest.approx(
            judged[str(r)][f"ndcg_cut_{k}"]
        )


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 20))
def test_ndcg_is_that_of_scikit_learn(seed: int, k: int) -> None:
    random = np.random.default_rng(seed)
    score = random.permutation(5 * 20).reshape(5, 20).astype(np.float64)
    relevant = random.random((5, 20)) < 0.3
    relevant[:, 0] = True
    hits = np.take_along_axis(relevant, model_metrics.top_k(score, k), axis=1)
    expected = ndcg_score(relevant.astype(np.float64), score, k=k)
    assert model_metrics.ndcg_at_k(hits, relevant.sum(1)).mean() == pytest.approx(
        expected, abs=1e-12
    )


@given(shares=st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_gini_is_half_the_relative_mean_difference(shares: list[float]) -> None:
    share = np.array(shares)
    if share.sum() == 0:
        assert model_metrics.gini(share) == 0
        return
    difference = np.abs(share[:, None] - share[None, :]).mean()
    expected = difference / (2 * share.mean())
    assert model_metrics.gini(share) == pytest.approx(expected, abs=1e-9)


def test_gini_of_one_owner_of_all_and_of_equal_shares() -> None:
    assert model_metrics.gini(np.array([0.0, 0.0, 0.0, 8.0])) == pytest.approx(0.75)
    assert model_metrics.gini(np.full(7, 3.0)) == pytest.approx(0.0, abs=1e-12)


def test_excluded_items_are_never_ranked_and_too_few_are_refused() -> None:
    score = np.array([[-np.inf, 2.0, 1.0]])
    assert model_metrics.top_k(score, 2).tolist() == [[1, 2]]
    with pytest.raises(ValueError, match="fewer than 3"):
        model_metrics.top_k(score, 3)
