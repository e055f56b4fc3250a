"""Tests of a share against a limit that may be looked at as often as one likes.

The operator looks at a step every few seconds and stops at the first Fail. A test made for one
look (Wilson, z, Fisher) then errs far more often than its level says. Here the evidence against
"the share is at most the limit" is the likelihood ratio of a fixed mixture of larger shares. While
the share is at most the limit it is a nonnegative supermartingale that starts at 1, so by Ville's
inequality it ever reaches 1/alpha with probability at most alpha, whatever the number of looks.

Sources: J. Ville, Étude critique de la notion de collectif (1939); H. Robbins, Statistical methods
related to the law of the iterated logarithm, Ann. Math. Stat. 41 (1970); A. Ramdas et al.,
Game-theoretic statistics and safe anytime-valid inference, Statistical Science 38 (2023).
"""

from __future__ import annotations

import math

#: Distances of the alternatives from the limit in log-odds: small ones find small excesses in many
#: requests, large ones find outright failure in a handful.
_STEPS = tuple(0.1 * 1.35**i for i in range(17))
#: How far above the exact bound `upper_bound` may end, as a share.
_TOLERANCE = 1e-6


def log_evidence(hits: int, trials: int, limit: float) -> float:
    """Return the natural log of the evidence that the share of hits is above `limit`.

    0 is none, negative speaks against it. +Inf when a hit was seen though the limit is 0.
    """
    if not 0 <= hits <= trials or not 0 <= limit <= 1:
        raise ValueError(f"not a share with a limit: {hits} of {trials}, limit {limit}")
    if limit == 0:
        return math.inf if hits else 0.0
    if limit == 1:
        return 0.0
    misses = trials - hits
    # The alternative "every trial is a hit" counts until the first miss.
    terms = [-math.inf if misses else -hits * math.log(limit)]
    for step in _STEPS:
        # log((1 - q') / (1 - limit)) for the alternative q' with log-odds `step` above the limit.
        miss = -math.log1p(limit * math.expm1(step))
        terms.append(hits * (step + miss) + misses * miss)
    top = max(terms)
    return top + math.log(math.fsum(math.exp(t - top) for t in terms) / len(terms))


def above(hits: int, trials: int, limit: float, alpha: float) -> bool:
    """Return whether the share of hits is above `limit`, wrong at most `alpha` over all looks."""
    return log_evidence(hits, trials, limit) >= -math.log(alpha)


def upper_bound(hits: int, trials: int, alpha: float) -> float:
    """Return a share that the true one exceeds with at most `alpha`, over all looks (0..1)."""
    low, high = (hits / trials if trials else 0.0), 1.0
    while high - low > _TOLERANCE:
        middle = (low + high) / 2
        # "At least `middle` hit" is "at most 1 - middle miss".
        if above(trials - hits, trials, 1 - middle, alpha):
            high = middle
        else:
            low = middle
    return high
