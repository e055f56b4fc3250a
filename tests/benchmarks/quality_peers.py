"""Retrieval peers: popularity, ItemKNN, EASE and iALS, each from its paper in a few lines.

All score a request from the user's earlier events: [R, I] from sessions [R, I]. Positive events
are a one; the grid chooses the value of the other events. Legend of shapes: U users,
I items, R requests, F factors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Array = npt.NDArray[np.float64]
Setting = dict[str, Any]

#: Settings to try on the rolling windows. `positives` tells whether sessions hold only positive
#: events, `last` how many of their events count (0: all).
_SESSIONS: list[Setting] = [
    {"positives": positives, "last": last} for positives in (True, False) for last in (0, 20)
]
GRID: dict[str, list[Setting]] = {
    "popularity": [{"positives": True, "last": 0}],
    "item_knn": [
        {"neighbours": neighbours, "shrink": shrink, **session}
        for neighbours in (50, 200)
        for shrink in (10.0, 100.0)
        for session in _SESSIONS
    ],
    "ease": [
        {"penalty": penalty, **session}
        for penalty in (100.0, 400.0, 1600.0)
        for session in _SESSIONS
    ],
    "ials": [
        {"factors": factors, "alpha": alpha, "penalty": penalty, "positives": True, "last": last}
        for factors in (16, 32)
        for alpha, penalty in ((1.0, 3.0), (1.0, 10.0), (1.0, 30.0))
        for last in (0, 20)
    ],
}


@dataclass(frozen=True)
class Fitted:
    """The training data of the peers: the positive events as a matrix of ones."""

    liked: sp.csr_matrix  # [U, I]


def fit(name: str, setting: Setting, past: Fitted) -> Any:
    """The model of a peer."""
    if name == "popularity":
        return np.asarray(past.liked.sum(0), dtype=np.float64).ravel()
    if name == "item_knn":
        return item_knn(past.liked, int(setting["neighbours"]), float(setting["shrink"]))
    if name == "ease":
        return ease(past.liked, float(setting["penalty"]))
    settings = int(setting["factors"]), float(setting["alpha"]), float(setting["penalty"])
    return ials(past.liked, *settings)


def score(name: str, setting: Setting, model: Any, session: sp.csr_matrix) -> Array:
    """[R, I] scores of the sessions [R, I]."""
    if name == "popularity":
        return np.broadcast_to(model, session.shape).copy()
    if name == "ials":
        users = half_step(session, model, float(setting["alpha"]), float(setting["penalty"]))
        return np.asarray(users @ model.T)
    return np.asarray(session @ model)


def without_sessions(setting: Setting) -> tuple[tuple[str, Any], ...]:
    """The part of a setting that the fit depends on."""
    return tuple((k, v) for k, v in sorted(setting.items()) if k not in ("positives", "last"))


def item_knn(liked: sp.csr_matrix, neighbours: int, shrink: float) -> Array:
    """[I, I] shrunk cosine of each item to its nearest neighbours (Sarwar et al. 2001)."""
    together = np.asarray((liked.T @ liked).todense())
    norm = np.sqrt(np.diag(together))
    similarity = together / (np.outer(norm, norm) + shrink)
    np.fill_diagonal(similarity, 0.0)
    if neighbours < len(similarity):
        least = -np.partition(-similarity, neighbours - 1, axis=0)[neighbours - 1]
        similarity[similarity < least] = 0.0
    return np.asarray(similarity)


def ease(liked: sp.csr_matrix, penalty: float) -> Array:
    """[I, I] weights of the linear autoencoder without a diagonal (Steck 2019)."""
    gram = np.asarray((liked.T @ liked).todense())
    gram[np.diag_indices(len(gram))] += penalty
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights)


def ials(
    liked: sp.csr_matrix, factors: int, alpha: float, penalty: float, rounds: int = 12
) -> Array:
    """[I, F] item factors of weighted matrix factorisation (Hu et al. 2008).

    A positive event has the confidence 1 + alpha, any other pair 1.
    """
    random = np.random.default_rng(0)
    items = random.normal(0, 0.1, (liked.shape[1], factors))
    transposed = liked.T.tocsr()
    for _ in range(rounds):
        users = half_step(liked, items, alpha, penalty)
        items = half_step(transposed, users, alpha, penalty)
    return items


def half_step(liked: sp.csr_matrix, other: Array, alpha: float, penalty: float) -> Array:
    """[rows, F] the best factors of each row of `liked`, with the other side's fixed."""
    upper = np.triu_indices(other.shape[1])
    products = other[:, upper[0]] * other[:, upper[1]]
    every = other.T @ other + penalty * np.eye(other.shape[1])
    result = []
    for rows in _blocks(liked.shape[0]):
        sums = alpha * (liked[rows] @ products)
        gram = np.broadcast_to(every, (len(sums), *every.shape)).copy()
        gram[:, upper[0], upper[1]] += sums
        lower = upper[0] != upper[1]
        gram[:, upper[1][lower], upper[0][lower]] += sums[:, lower]
        told = (1 + alpha) * (liked[rows] @ other)
        result.append(np.linalg.solve(gram, told[:, :, None])[:, :, 0])
    return np.concatenate(result)


def _blocks(rows: int, size: int = 1000) -> Iterator[slice]:
    for start in range(0, rows, size):
        yield slice(start, start + size)
