"""EASE: the linear model of which items users like together (Steck, WWW 2019)."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from recommender_training.common.arrays import Floats
from recommender_training.data.dataset import Events
from recommender_training.models.item_transitions import by_users

PENALTY = 800.0


def liked_together(events: Events, count: int, penalty: float = PENALTY) -> Floats:
    """[I, I] weights of EASE on the positive events."""
    gram = np.zeros((count, count))
    for liked in by_users(events.take(events.positive)):
        users, rows = np.unique(liked.user, return_inverse=True)
        ones = np.ones(len(liked), dtype=np.float64)
        matrix = sp.csr_matrix((ones, (rows, liked.item)), shape=(len(users), count))
        matrix.data[:] = 1.0  # an item liked twice counts once
        gram += (matrix.T @ matrix).toarray()
    gram[np.diag_indices(count)] += penalty
    inverse = _inverse(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights.astype(np.float32)


def of_mean_square_one(weights: Floats) -> Floats:
    """Scaled so that the sum of squares of a row is one on average; zeros stay."""
    size = float(np.sqrt((weights.astype(np.float64) ** 2).sum() / len(weights)))
    return np.asarray(weights / size if size > 0 else weights, dtype=np.float32)


def _inverse(symmetric: np.ndarray) -> np.ndarray:
    """Inverse of a positive definite matrix by Cholesky: half the work of a general one."""
    lower, failed = lapack.dpotrf(symmetric, lower=1)
    inverse, failed_again = lapack.dpotri(lower, lower=1)
    if failed or failed_again:
        raise np.linalg.LinAlgError("the Gram matrix of the retrieval is not positive definite")
    return np.asarray(np.tril(inverse) + np.tril(inverse, -1).T)
