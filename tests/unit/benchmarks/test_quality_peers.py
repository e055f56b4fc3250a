"""The peers of the quality benchmark are what their papers say, on cases small enough to check."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from tests.benchmarks import quality_peers as peers

USERS, ITEMS = 14, 9


@pytest.fixture
def liked() -> sp.csr_matrix:
    random = np.random.default_rng(4)
    return sp.csr_matrix((random.random((USERS, ITEMS)) < 0.4).astype(np.float64))


def test_a_half_step_of_ials_solves_the_weighted_normal_equations(liked: sp.csr_matrix) -> None:
    """As in Hu et al.: (Y' C Y + penalty) x = Y' C p, written out for each user."""
    random = np.random.default_rng(0)
    items, alpha, penalty = random.normal(size=(ITEMS, 3)), 4.0, 0.7
    found = peers.half_step(liked, items, alpha, penalty)
    for user in range(USERS):
        wanted = liked.toarray()[user]
        confidence = np.diag(1 + alpha * wanted)
        gram = items.T @ confidence @ items + penalty * np.eye(3)
        expected = np.linalg.solve(gram, items.T @ confidence @ wanted)
        np.testing.assert_allclose(found[user], expected, rtol=1e-8)


def test_each_round_of_ials_lowers_its_loss(liked: sp.csr_matrix) -> None:
    alpha, penalty = 4.0, 0.7

    def loss(rounds: int) -> float:
        items = peers.ials(liked, 3, alpha, penalty, rounds)
        users = peers.half_step(liked, items, alpha, penalty)
        dense = liked.toarray()
        error = (1 + alpha * dense) * (dense - users @ items.T) ** 2
        return float(error.sum() + penalty * ((users**2).sum() + (items**2).sum()))

    losses = [loss(rounds) for rounds in (1, 2, 4, 8)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > losses[-1]


def test_ease_has_no_diagonal_and_solves_its_regressions(liked: sp.csr_matrix) -> None:
    weights = peers.ease(liked, 2.0)
    dense = liked.toarray()
    for item in range(ITEMS):
        others = np.arange(ITEMS) != item
        gram = dense[:, others].T @ dense[:, others] + 2.0 * np.eye(ITEMS - 1)
        expected = np.linalg.solve(gram, dense[:, others].T @ dense[:, item])
        np.testing.assert_allclose(weights[others, item], expected, rtol=1e-8)
    assert not np.diag(weights).any()


def test_item_knn_keeps_the_nearest(liked: sp.csr_matrix) -> None:
    every = peers.item_knn(liked, ITEMS, 0.0)
    dense = liked.toarray()
    norm = np.linalg.norm(dense, axis=0)
    cosine = dense.T @ dense / np.outer(norm, norm)
    np.testing.assert_allclose(every, cosine - np.diag(np.diag(cosine)), atol=1e-12)
    few = peers.item_knn(liked, 2, 0.0)
    assert np.count_nonzero(few) < np.count_nonzero(every)
    for item in range(ITEMS):
        kept = np.flatnonzero(few[:, item])
        assert kept.size >= 2
        assert set(np.argsort(-every[:, item], kind="stable")[:2]) <= set(kept)
