"""Tests of a share against a limit that stay valid if they are repeated at any time.

The operator evaluates a step every few seconds and stops at the first Fail. A test for a fixed
sample (Wilson, z, Fisher) then exceeds its level by far. Here the evidence against "the share is
at most the limit" is the likelihood ratio of a fixed mixture of larger shares. While the share is
at most the limit, it is a nonnegative supermartingale that starts at 1, so by Ville's inequality
it ever reaches 1/alpha with probability at most alpha, for any number of looks.

Sources: J. Ville, Étude critique de la notion de collectif (1939); H. Robbins, Statistical methods
related to the law of the iterated logarithm, Ann. Math. Stat. 41 (1970); A. Ramdas et al.,
Game-theoretic statistics and safe anytime-valid inference, Statistical Science 38 (2023).
"""

from __future__ import annotations

import math

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
