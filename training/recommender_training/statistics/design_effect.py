"""How much less information a session has than independent rows: sessions of one user are alike.

A test of drift that takes sessions for independent rows fires without drift. Rao and Scott (1984)
divide the chi-square statistic by the mean design effect over the bins; the second term, after
Satterthwaite, allows for design effects that differ between the bins.
"""

from __future__ import annotations

import numpy as np

from recommender_training.common.arrays import Ints


def design_effect(user_N: Ints, bin_N: Ints) -> float:
    """Return the design effect of one feature with users as clusters, at least 1.

    Args:
        user_N: the user of each session.
        bin_N: the bin of each session's value; sessions without a value are left out before.
    """
    bins_K = np.unique(bin_N)
    if len(bins_K) < 2:
        return 1.0
    _, cluster_N = np.unique(user_N, return_inverse=True)
    sessions_U = np.bincount(cluster_N)
    inside_NK = bin_N[:, None] == bins_K[None, :]
    share_K = inside_NK.mean(axis=0)
    sums_UK = np.stack([np.bincount(cluster_N, weights=column) for column in inside_NK.T], axis=1)
    residual_UK = sums_UK - sessions_U[:, None] * share_K
    effect_K = (residual_UK**2).sum(axis=0) / (len(bin_N) * share_K * (1 - share_K))
    weight_K = (1 - share_K) / (len(share_K) - 1)
    mean = float((weight_K * effect_K).sum())
    if mean <= 0:
        return 1.0
    spread = float((weight_K * (effect_K - mean) ** 2).sum())
    return max(1.0, mean + spread / mean)
