"""How much less information a session has than independent rows: sessions of one user are alike.

A test of drift that takes sessions for independent rows fires without drift. Rao and Scott (1984)
divide the chi-square statistic by the mean design effect over the bins; the second term, after
Satterthwaite, allows for design effects that differ between the bins.

The effect is itself an estimate, and a few users with many sessions decide it. Two corrections
keep the level of the tests (ADR 0055): it is averaged with Kish's estimate, which depends less on
the values of these users, and enlarged to the quantile of F with its degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from recommender_training.common.arrays import Doubles, Ints

#: Level at which chi-square and F agree: about what Holm leaves of 0.01 for the smallest p-value
#: of ten tests.
_LEVEL = 0.001
#: Fewest degrees of freedom; the quantiles of F grow without bound below.
_LEAST_DEGREES = 4.0
#: Largest design effect that is written to an artifact.
LARGEST = 1e6


@dataclass(frozen=True)
class _Sums:
    """Sessions by user and bin of one feature, of which at least two bins have some."""

    sessions: Doubles  # [U]
    inside: Doubles  # [U, K]
    shares: Doubles  # [K]

    @property
    def total(self) -> float:
        return float(self.sessions.sum())

    @property
    def weights(self) -> Doubles:
        """[K] of the bins in the mean of their design effects; they add up to one."""
        weight_K: Doubles = (1 - self.shares) / (len(self.shares) - 1)
        return weight_K


def design_effect(user_N: Ints, bin_N: Ints) -> float:
    """Return the design effect of one feature with users as clusters, at least 1.

    At most the number of sessions, which are then worth one, and LARGEST. A single user says
    nothing about others, so the sessions are worth one, unless all have the same value.

    Args:
        user_N: the user of each session.
        bin_N: the bin of each session's value; sessions without a value are left out before.
    """
    sums = _sums(user_N, bin_N)
    if sums is None:
        return 1.0
    effect = sums.total if len(sums.sessions) < 2 else _estimate(sums)
    return min(max(1.0, effect), sums.total, LARGEST)


def _estimate(sums: _Sums) -> float:
    residual_UK = sums.inside - sums.sessions[:, None] * sums.shares
    effect_UK = residual_UK**2 / (sums.total * sums.shares * (1 - sums.shares))
    effect_K, weight_K = effect_UK.sum(axis=0), sums.weights
    mean = float((weight_K * effect_K).sum())
    if mean <= 0:  # All users have the same mix of values.
        return 1.0
    spread = float((weight_K * (effect_K - mean) ** 2).sum()) / mean**2
    degrees = _degrees((effect_UK * weight_K).sum(axis=1))
    shrunk = max(mean, _shrunk(mean, degrees, sums))
    return shrunk * (1 + spread) * enlarged(len(effect_K) - 1, degrees)


def _sums(user_N: Ints, bin_N: Ints) -> _Sums | None:
    """Return None where no user has two sessions, or all sessions are in one bin."""
    bins_K = np.unique(bin_N)
    if len(bins_K) < 2:
        return None
    _, cluster_N = np.unique(user_N, return_inverse=True)
    sessions_U = np.bincount(cluster_N).astype(np.float64)
    if sessions_U.max() < 2:
        return None
    inside_NK = bin_N[:, None] == bins_K[None, :]
    counts_KU = [np.bincount(cluster_N, weights=column) for column in inside_NK.T]
    sums_UK = np.stack(counts_KU, axis=1).astype(np.float64)
    return _Sums(sessions_U, sums_UK, inside_NK.mean(axis=0))


def _degrees(part_U: Doubles) -> float:
    """Return the degrees of freedom of a sum over users (Satterthwaite), fewer than users.

    The parts of a few users that happen to be equal are no reason to take their sum for exact.
    """
    relative = float((part_U**2).sum()) / float(part_U.sum()) ** 2 - 1 / len(part_U)
    return max(_LEAST_DEGREES, min(len(part_U) - 1, 2 / max(relative, 1e-9)))


def _shrunk(mean: float, degrees: float, sums: _Sums) -> float:
    """Return the mean of this estimate and Kish's, weighted by their degrees of freedom."""
    squared_U = sums.sessions**2
    kish = 1 + _agreement(sums) * (float(squared_U.sum()) / sums.total - 1)
    of_kish = _degrees(squared_U)
    return (degrees * mean + of_kish * kish) / (degrees + of_kish)


def _agreement(sums: _Sums) -> float:
    """Return how often two sessions of a user are in one bin, beyond chance (Fleiss' kappa).

    Users count by their sessions, not by their pairs of sessions: this makes it steadier than the
    design effect.
    """
    several = sums.sessions > 1
    sessions_U, inside_UK = sums.sessions[several], sums.inside[several]
    alike_U = (inside_UK * (inside_UK - 1)).sum(axis=1) / (sessions_U - 1)
    chance = float((sums.shares**2).sum())
    return max(0.0, (float(alike_U.sum()) / float(sessions_U.sum()) - chance) / (1 - chance))


def enlarged(bins: int, degrees: float) -> float:
    """Return the quantile of F, times `bins`, divided by that of chi-square."""
    of_f = float(special.fdtri(bins, degrees, 1 - _LEVEL))
    return of_f * bins / float(special.chdtri(bins, _LEVEL))
