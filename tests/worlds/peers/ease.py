"""EASE (Steck 2019): the item-to-item regression without a diagonal."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from tests.worlds.peers.known import Known, Peer, Scorer, Setting, matrix, weighted
from tests.worlds.world import Doubles, Log


def weights(liked: sp.csr_matrix, penalty: float) -> Doubles:
    """[I, I] the closed form: -P / diag(P) for P = (X'X + penalty)^-1, with a diagonal of 0."""
    gram = np.asarray((liked.T @ liked).todense(), np.float64)
    inverse = np.linalg.inv(gram + penalty * np.eye(len(gram)))
    found: Doubles = -inverse / np.diag(inverse)
    np.fill_diagonal(found, 0)
    return found


def fit(log: Log, items: int, setting: Setting) -> Scorer:
    """Recent items of the user count more; see `weighted`."""
    penalty, half, positive = setting
    solved = weights(matrix(log, items, positive), penalty)

    def scores(known: Known) -> Doubles:
        return weighted(known, items, half) @ solved

    return scores


PEERS = {
    "ease": Peer(
        fit,
        [
            (penalty, half, positive)
            for penalty in (20.0, 200.0)
            for half in (2.0, 1e9)
            for positive in (False, True)
        ],
    )
}
