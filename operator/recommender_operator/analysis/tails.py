"""Tail probabilities by mpmath: numpy and scipy would triple the operator's image."""

from __future__ import annotations

import mpmath


def chi_square_tail(statistic: float, degrees: int) -> float:
    """Return P(X >= statistic) for a chi-square variable X."""
    if statistic <= 0 or degrees == 0:
        return 1.0
    half = mpmath.mpf(statistic) / 2
    return float(mpmath.gammainc(mpmath.mpf(degrees) / 2, half, mpmath.inf, regularized=True))


def binomial_upper_tail(hits: int, trials: int, share: float) -> float:
    """Return P(X >= hits) for a binomial variable X of `trials` trials with the hit rate `share`.

    It is the regularized incomplete beta function of `share` (DLMF 8.17.5).
    """
    if hits <= 0:
        return 1.0
    if hits > trials or share <= 0:
        return 0.0
    if share >= 1:
        return 1.0
    return float(mpmath.betainc(hits, trials - hits + 1, 0, share, regularized=True))


def more_often(hits: int, trials: int, other_hits: int, other_trials: int) -> float:
    """Return the one-sided p-value of "hits are more frequent here than there".

    Given all hits of both samples, those that fall here are binomial with this sample's part of
    the trials, when hits are rare (the conditional test of two Poisson rates; Przyborowski and
    Wilenski, Biometrika 31, 1940). Where they are not rare the test is conservative, because the
    exact distribution (hypergeometric) is narrower; so the rarer of hits and misses is counted.
    """
    both, all_trials = hits + other_hits, trials + other_trials
    if not trials or not other_trials:
        return 1.0
    if 2 * both <= all_trials:
        return binomial_upper_tail(hits, both, trials / all_trials)
    misses = other_trials - other_hits
    return binomial_upper_tail(misses, all_trials - both, other_trials / all_trials)


def holm(p_values: list[float]) -> list[float]:
    """Return the p-values adjusted for their number: no more than alpha of families err.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, p_values[i] * (len(p_values) - rank)))
        adjusted[i] = largest
    return adjusted
