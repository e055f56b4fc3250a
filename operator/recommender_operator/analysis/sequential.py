"""Tests of a share against a limit that stay valid if they are repeated at any time.

The operator evaluates a step every few seconds and stops at the first Fail. A test for a fixed
sample (Wilson, z, Fisher) then exceeds its level by far. Here the evidence against "the share is
at most the limit" is the likelihood ratio of a fixed mixture of larger shares. While the share is
at most the limit, it is a nonnegative supermartingale that starts at 1, so by Ville's inequality
it ever reaches 1/alpha with probability at most alpha, for any number of looks.

An interval has the values that the tests do not exclude, so it holds over all looks (confidence
sequence) and says why a step fails or waits: a share fails once its whole interval is above the
limit.

Sources: J. Ville, Étude critique de la notion de collectif (1939); H. Robbins, Statistical methods
related to the law of the iterated logarithm, Ann. Math. Stat. 41 (1970); A. Ramdas et al.,
Game-theoretic statistics and safe anytime-valid inference, Statistical Science 38 (2023); S.
Howard et al., Time-uniform, nonparametric, nonasymptotic confidence sequences, Ann. Stat. 49
(2021).
"""

from __future__ import annotations

import math

from recommender_operator.analysis.histogram import Histogram

#: Distances of the alternatives from the limit in log-odds: small ones detect a small excess in
#: many requests, large ones detect complete failure in a few requests.
_STEPS = tuple(0.1 * 1.35**i for i in range(17))
#: Maximum excess of `upper_bound` over the exact bound, as a share.
_TOLERANCE = 1e-6


def log_evidence(hits: int, trials: int, limit: float) -> float:
    """Return the natural log of the evidence that the share of hits is above `limit`.

    0 means no evidence, a negative value evidence against it. +Inf for a hit if the limit is 0.

    Raises:
        ValueError: hits or limit are out of range.
    """
    if not 0 <= hits <= trials or not 0 <= limit <= 1:
        raise ValueError(f"invalid share or limit: {hits} of {trials}, limit {limit}")
    if limit == 0:
        return math.inf if hits else 0.0
    if limit == 1:
        return 0.0
    misses = trials - hits
    # The alternative "every trial is a hit" is possible until the first miss.
    terms = [-math.inf if misses else -hits * math.log(limit)]
    for step in _STEPS:
        # log((1 - q') / (1 - limit)) for the alternative q' with log-odds `step` above the limit.
        miss = -math.log1p(limit * math.expm1(step))
        terms.append(hits * (step + miss) + misses * miss)
    top = max(terms)
    return top + math.log(math.fsum(math.exp(t - top) for t in terms) / len(terms))


def above(hits: int, trials: int, limit: float, alpha: float) -> bool:
    """Return whether the share of hits is above `limit`, at level `alpha` over all looks."""
    return log_evidence(hits, trials, limit) >= -math.log(alpha)


def lower_bound(hits: int, trials: int, alpha: float) -> float:
    """Return a lower confidence bound of the share (0..1), at level `alpha` over all looks."""
    return 1.0 - upper_bound(trials - hits, trials, alpha)


def upper_bound(hits: int, trials: int, alpha: float) -> float:
    """Return an upper confidence bound of the share (0..1), at level `alpha` over all looks."""
    low, high = (hits / trials if trials else 0.0), 1.0
    while high - low > _TOLERANCE:
        middle = (low + high) / 2
        # A share of hits of at least `middle` is a share of misses of at most 1 - `middle`.
        if above(trials - hits, trials, 1 - middle, alpha):
            high = middle
        else:
            low = middle
    return high


def share_interval(hits: int, trials: int, alpha: float) -> tuple[float, float]:
    """Return both ends (0..1) of the interval of a share, each at level `alpha`."""
    return (
        lower_bound(hits, trials, alpha),
        upper_bound(hits, trials, alpha),
    )


def quantile_interval(histogram: Histogram, q: float, alpha: float) -> tuple[float, float]:
    """Return both ends of the interval of a quantile in seconds, each at level `alpha`.

    The ends are bounds of buckets, because the counts between them are unknown. +Inf if the data
    do not exclude latencies above the last finite bound.
    """
    low, total = 0.0, histogram.total
    for upper in histogram.uppers[:-1]:
        slower = histogram.surely_above(upper)
        if above(slower, total, 1 - q, alpha):
            low = upper
        elif above(total - slower, total, q, alpha):
            return low, upper
    return low, math.inf
