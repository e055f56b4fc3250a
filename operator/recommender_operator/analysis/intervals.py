"""Intervals of the values of a step, from the same tests as its verdicts.

An interval has the values that the tests do not exclude, so it holds over all looks (confidence
sequence) and says why a step fails or waits: a share fails once its whole interval is above the
limit. Source of the inversion: S. Howard et al., Time-uniform, nonparametric, nonasymptotic
confidence sequences, Ann. Stat. 49 (2021).
"""

from __future__ import annotations

import math

from recommender_operator.analysis import sequential
from recommender_operator.analysis.histogram import Histogram


def of_share(hits: int, trials: int, alpha: float) -> tuple[float, float]:
    """Return both ends (0..1) of the interval of a share, each at level `alpha`."""
    return (
        sequential.lower_bound(hits, trials, alpha),
        sequential.upper_bound(hits, trials, alpha),
    )


def of_quantile(histogram: Histogram, q: float, alpha: float) -> tuple[float, float]:
    """Return both ends of the interval of a quantile in seconds, each at level `alpha`.

    The ends are bounds of buckets, because the counts between them are unknown. +Inf if the data
    do not exclude latencies above the last finite bound.
    """
    low, total = 0.0, histogram.total
    for upper in histogram.uppers[:-1]:
        slower = histogram.surely_above(upper)
        if sequential.above(slower, total, 1 - q, alpha):
            low = upper
        elif sequential.above(total - slower, total, q, alpha):
            return low, upper
    return low, math.inf
