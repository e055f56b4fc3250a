"""ItemKNN: sums of shrunk cosines to what the user took, of the nearest items alone."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from tests.worlds.peers.known import Known, Peer, Scorer, Setting, matrix, weighted
from tests.worlds.world import Doubles, Log


def cosines(liked: sp.csr_matrix, nearest: int, shrink: float) -> Doubles:
    """[I, I] common users / (sqrt(users x users) + shrink), of the nearest items of each row."""
    common = np.asarray((liked.T @ liked).todense(), np.float64)
    norm = np.sqrt(np.diag(common))
    near = common / (np.outer(norm, norm) + shrink + 1e-12)
    np.fill_diagonal(near, 0)
    if nearest < len(near):
        least = np.partition(near, -nearest, axis=1)[:, -nearest, None]
        near[near < least] = 0
    return near


def fit(log: Log, items: int, setting: Setting) -> Scorer:
    """Recent items of the user count more; see `weighted`."""
    nearest, shrink, half, positive = setting
    near = cosines(matrix(log, items, positive), nearest, shrink)

    def scores(known: Known) -> Doubles:
        return weighted(known, items, half) @ near

    return scores


PEERS = {
    "item-knn": Peer(
        fit,
        [
            (nearest, 10.0, half, positive)
            for nearest in (20, 100)
            for half in (2.0, 1e9)
            for positive in (False, True)
        ],
    )
}
