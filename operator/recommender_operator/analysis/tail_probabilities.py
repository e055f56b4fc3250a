"""Tail probabilities without NumPy and SciPy, which would triple the size of the image."""

from __future__ import annotations

import math

import mpmath


def chi_square_tail(statistic: float, degrees: int) -> float:
    """Return P(X >= statistic) for a chi-square variable X.

    Half-integer gamma functions are finite sums of positive terms (Abramowitz and Stegun 26.4.4
    and 26.4.5), computed from logarithms, because the factors overflow.
    """
    if statistic <= 0 or degrees == 0:
        return 1.0
    half, odd = statistic / 2, degrees % 2 / 2
    powers = (odd + i for i in range(degrees // 2))
    terms = [math.exp(k * math.log(half) - half - math.lgamma(k + 1)) for k in powers]
    return min(1.0, math.fsum([math.erfc(math.sqrt(half)) if odd else 0.0, *terms]))


#: Most trials whose binomial terms are added; the normal approximation is as good beyond.
_MOST_TRIALS = 10_000


def binomial_tail(hits: int, trials: int, share: float) -> float:
    """Return P(X >= hits) for a binomial variable X, with 0 < share < 1.

    Up to the mean it is 1 instead: nothing is asked of what is not more than expected.
    """
    mean = trials * share
    if hits <= mean:
        return 1.0
    if trials > _MOST_TRIALS:
        return math.erfc((hits - 0.5 - mean) / math.sqrt(2 * mean * (1 - share))) / 2
    ways = math.lgamma(trials + 1) - math.lgamma(hits + 1) - math.lgamma(trials - hits + 1)
    term = math.exp(ways + hits * math.log(share) + (trials - hits) * math.log1p(-share))
    total = 0.0
    for here in range(hits, trials + 1):
        total += term
        term *= (trials - here) / (here + 1) * share / (1 - share)
    return min(1.0, total)


def more_often(hits: int, trials: int, other_hits: int, other_trials: int) -> float:
    """Return the one-sided p-value that hits are more frequent in the first sample.

    Fisher's exact test: given the hits of both samples, those of the first are hypergeometric.
    It accounts for the noise of both samples; a binomial test against the other sample's share
    would take that share as exact, and reject if it is 0 by chance.
    """
    if not trials or not other_trials or not hits:
        return 1.0
    if hits * other_trials >= other_hits * trials:
        return _hypergeometric_tail(hits, trials, other_hits, other_trials)
    # Below the mean the sum is long and its first terms vanish, so use the other tail.
    return 1.0 - _hypergeometric_tail(other_hits + 1, other_trials, hits - 1, trials)


def _hypergeometric_tail(hits: int, trials: int, other_hits: int, other_trials: int) -> float:
    """Return the probability of this or a more extreme split of the hits (`hits` >= mean)."""
    if hits > trials:
        return 0.0
    both = hits + other_hits
    with mpmath.workdps(30):
        ways = mpmath.binomial(trials, hits) * mpmath.binomial(other_trials, other_hits)
        term = float(ways / mpmath.binomial(trials + other_trials, both))
    total = 0.0
    for here in range(hits, min(trials, both) + 1):
        total += term
        there = both - here
        # Ratio of the next term to this one; above the mean the ratios decrease.
        ratio = (trials - here) * there / ((here + 1) * (other_trials - there + 1))
        term *= ratio
        if ratio < 1 and term < 1e-17 * total:
            break
    return min(1.0, total)


def holm(p_values: list[float]) -> list[float]:
    """Return the adjusted p-values: the family-wise error rate is at most alpha.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, p_values[i] * (len(p_values) - rank)))
        adjusted[i] = largest
    return adjusted
