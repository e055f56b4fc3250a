"""Effects in groups: the data tell how large those of each are."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from recommender_training.common.arrays import Bools, Ints
from recommender_training.statistics import effects

ROWS, EACH = 20_000, 40
VARIANCE = 0.5


def drawn(seed: int = 5) -> tuple[sp.csr_matrix, Bools, Ints]:
    """Rows with a category of each of two features, of which only the first matters."""
    random = np.random.default_rng(seed)
    categories = random.integers(0, EACH, (ROWS, 2))
    size = random.normal(0, np.sqrt(VARIANCE), EACH)
    positive = random.random(ROWS) < expit(size[categories[:, 0]] - 3.0)
    places = (categories + np.array([0, EACH])).ravel()
    ends = np.arange(0, 2 * ROWS + 1, 2)
    columns = sp.csr_matrix((np.ones(2 * ROWS, dtype=np.float32), places, ends))
    return columns, positive, np.repeat([0, 1], EACH)


def test_the_variance_of_effects_is_found_and_that_of_noise_is_about_zero() -> None:
    found = effects.fit(*drawn())
    assert found.variances[0] == pytest.approx(VARIANCE, rel=0.4)
    assert found.variances[1] < 0.1 * VARIANCE


def test_the_weights_are_the_mode_of_a_regression_with_these_priors() -> None:
    columns, positive, group = drawn()
    found = effects.fit(columns, positive, group)
    deviation = np.sqrt(np.maximum(found.variances, 1e-12))[group]
    model = LogisticRegression(C=1.0, tol=1e-9, max_iter=2000)
    model.fit(columns.astype(np.float64).multiply(deviation).tocsr(), positive)
    assert found.weights == pytest.approx(deviation * model.coef_[0], abs=0.01)
    assert found.intercept == pytest.approx(model.intercept_[0], abs=0.01)


def test_a_row_of_weight_two_counts_as_two_rows() -> None:
    columns, positive, group = drawn()
    twice = np.arange(ROWS) % 3 == 0
    weighted = effects.fit(columns, positive, group, np.where(twice, 2.0, 1.0).astype(np.float32))
    rows = np.concatenate([np.arange(ROWS), np.flatnonzero(twice)])
    repeated = effects.fit(columns[rows], positive[rows], group)
    assert weighted.intercept == pytest.approx(repeated.intercept, abs=0.02)
    assert weighted.weights == pytest.approx(repeated.weights, abs=0.1)


def test_without_a_column_or_a_positive_row_there_is_an_intercept() -> None:
    none = np.zeros(9, dtype=np.bool_)
    found = effects.fit(sp.csr_matrix((9, 0), dtype=np.float32), none, np.zeros(0, dtype=np.int64))
    assert len(found.weights) == 0
    assert np.isfinite(found.intercept)
    assert found.intercept < -2.0
