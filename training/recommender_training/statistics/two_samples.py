"""Tests of two windows whose rows are not independent: users are the independent units.

Shares are compared with the standard error of a ratio over users, histograms of sessions by the
chi-square test of homogeneity after Rao and Scott (1984), as the operator compares served
sessions with their reference (docs/drift.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from recommender_training.common.arrays import Doubles

#: Cells with a smaller expected count in either window are pooled (Cochran's rule).
_SPARSE = 5.0


def ratio_error(rows_U: Doubles, hits_U: Doubles) -> float:
    """Standard error of the share of hits, with users as clusters; 0 for fewer than two users.

    The linearised variance of a ratio (Cochran, Sampling Techniques, 1977, section 6.3).
    """
    users, rows = len(rows_U), float(rows_U.sum())
    if users < 2 or rows <= 0:
        return 0.0
    residual_U = hits_U - hits_U.sum() / rows * rows_U
    variance = users / (users - 1) * float((residual_U**2).sum()) / rows**2
    return math.sqrt(variance)


def differs(value: float, error: float, other: float, other_error: float) -> float:
    """Two-sided p-value of two shares being equal, by the normal distribution."""
    both = math.hypot(error, other_error)
    if both == 0:
        return 1.0 if value == other else 0.0
    return float(special.erfc(abs(value - other) / both / math.sqrt(2)))


def means_differ(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """Two-sided p-value of two means being equal, each with its error and number of clusters.

    Student's t with Welch's degrees of freedom, since errors of few users are uncertain.
    """
    squares = [error**2 for _, error, _ in (one, other)]
    both = math.fsum(squares)
    if both == 0:
        return 1.0 if one[0] == other[0] else 0.0
    parts = ((s**2 / max(1.0, each[2] - 1)) for s, each in zip(squares, (one, other), strict=True))
    degrees = both**2 / math.fsum(parts)
    return float(2 * special.stdtr(degrees, -abs(one[0] - other[0]) / math.sqrt(both)))


def effective(counts_K: Doubles, design_effect: float) -> Doubles:
    """Counts of as many independent sessions as these are worth."""
    return counts_K / max(1.0, design_effect)


def homogeneity(sample_K: Doubles, other_K: Doubles) -> float:
    """p-value of the chi-square test that both are samples of one distribution.

    Sparse cells are pooled by their sums alone, so the test keeps its level. 1 where there is
    nothing to compare.
    """
    n, m = float(sample_K.sum()), float(other_K.sum())
    if n == 0 or m == 0:
        return 1.0
    cells = sorted(
        ((a, b) for a, b in zip(sample_K.tolist(), other_K.tolist(), strict=True) if a + b),
        key=sum,
    )
    smaller = min(n, m) / (n + m)
    while len(cells) > 1 and sum(cells[0]) * smaller < _SPARSE:
        (a, b), (c, d), *rest = cells
        cells = sorted([*rest, (a + c, b + d)], key=sum)
    statistic = 0.0
    for here, there in cells:
        expected = (here + there) * n / (n + m)
        statistic += (here - expected) ** 2 / expected * (n + m) / m
    return float(special.chdtrc(len(cells) - 1, statistic)) if len(cells) > 1 else 1.0


def distance(sample_K: Doubles, other_K: Doubles) -> float:
    """Total variation distance (0..1) without the part that chance alone gives."""
    n, m = float(sample_K.sum()), float(other_K.sum())
    if n == 0 or m == 0:
        return 0.0
    share_K = (sample_K + other_K) / (n + m)
    noise_K = share_K * (1 - share_K) * (1 / n + 1 / m)
    squared_K = (sample_K / n - other_K / m) ** 2 - noise_K
    return min(1.0, float(np.sqrt(np.maximum(0.0, squared_K)).sum()) / 2)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979): at most alpha of families err."""
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, p_values[place] * (len(p_values) - rank)))
        adjusted[place] = largest
    return adjusted
