"""Comparison of two samples of counts by bin: tests and distances."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping

from recommender_operator.analysis.tail_probabilities import chi_square_tail

#: Bins of missing values, which have their own tests.
NULL, UNKNOWN = "null", "unknown"
#: The score of the first item: not a feature, but counted like one.
SCORE = "top_score"
#: A number that every session has once, so its bins sum to the number of sessions.
EVERY_SESSION = "session_length"
#: Minimum expected count of a cell in either sample; smaller cells are pooled (Cochran's rule).
SPARSE = 5.0
#: Independent sessions that any sample of as many sessions is worth at least. A user who alone
#: makes most nulls of the training gives a design effect of hundreds, with which no test could
#: find that a candidate loses a feature of every session.
LEAST_WORTH = 50.0


def values(bins: Mapping[str, int]) -> dict[str, int]:
    """Return the counts without the bins of nulls and unknown values."""
    return {bin_: n for bin_, n in bins.items() if bin_ not in (NULL, UNKNOWN)}


def sessions(counts: Mapping[str, Mapping[str, int]], feature: str) -> int:
    """Return of how many sessions these are the counts of a feature.

    A session is in one bin, but of a MultiCategorical in the bin of each of its categories. So it
    would count as often, beside a session without a value, which counts once.
    """
    own = sum(counts.get(feature, {}).values())
    every = sum(counts.get(EVERY_SESSION, {}).values())
    return min(own, every) if every else own


def effective(bins: Mapping[str, int], design_effect: float) -> dict[str, float]:
    """Return the counts divided by the design effect: the effective sample size.

    Sessions of one user are alike (the age is the same), so n of them carry less information than
    n users: the variance of a bin's share is larger by the design effect. The division is the
    first-order correction of J. N. K. Rao and A. J. Scott (Annals of Statistics 12, 1984).
    """
    return {bin_: n / max(1.0, design_effect) for bin_, n in bins.items()}


def bounded(design_effect: float, sessions: float) -> float:
    """Return the design effect that tests use: the sessions stay worth LEAST_WORTH, if so many."""
    return max(1.0, min(design_effect, sessions / LEAST_WORTH))


def design_effect_at(
    design_effect: float, reference: float, sessions: float, user_share: float = 1.0
) -> float:
    """Return the design effect of a window, given that of `reference` sessions.

    The excess over 1 is proportional to the number of pairs of sessions of one user, per session.
    If the sessions are spread over users in the same way, it grows with their number. A window
    of a share of the users has as many pairs as one of all users with sessions / share, but no
    more than the reference, unless it is longer.
    """
    if sessions <= 1:
        return 1.0
    per_session = excess_per_session(design_effect, reference)
    of_share = min(per_session * (sessions / user_share - 1), max(0.0, design_effect - 1.0))
    return 1.0 + max(per_session * (sessions - 1), of_share)


def excess_per_session(design_effect: float, reference: float) -> float:
    """Return the growth of the design effect with each session of a window."""
    return max(0.0, design_effect - 1.0) / (reference - 1) if reference > 1 else 0.0


def homogeneity(sample: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the p-value of the chi-square test of homogeneity (contingency table of 2 rows).

    Both rows are samples. A goodness-of-fit test takes the reference as exact, and rejects a third
    of all windows of the same size. Returns 1 if one sample is empty.
    """
    n, m = sum(sample.values()), sum(other.values())
    if not n or not m:
        return 1.0
    cells = _pooled(sample, other, min(n, m) / (n + m))
    statistic = 0.0
    for here, there in cells:
        expected = (here + there) * n / (n + m)
        # The other row's cell deviates equally, relative to its own expected count.
        statistic += (here - expected) ** 2 / expected * (n + m) / m
    return chi_square_tail(statistic, len(cells) - 1)


def _pooled(
    sample: Mapping[str, float], other: Mapping[str, float], smaller: float
) -> list[tuple[float, float]]:
    """Return the cells after pooling sparse ones.

    Pooling depends only on the sums of the cells, not on their split between the samples, so the
    test keeps its level.
    """
    bins = sorted(sample.keys() | other.keys())
    cells = sorted(((sample.get(b, 0), other.get(b, 0)) for b in bins), key=sum)
    cells = [cell for cell in cells if sum(cell)]
    while len(cells) > 1 and sum(cells[0]) * smaller < SPARSE:
        first, second, *cells = cells
        bisect.insort_left(cells, (first[0] + second[0], first[1] + second[1]), key=sum)
    return cells


def total_variation(sample: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the total variation distance (0..1), corrected for the noise of finite samples.

    The uncorrected distance of two samples of one distribution is well above 0 (0.12 for 20 equal
    bins and 500 sessions each), so small samples would exceed a floor by chance. The variance
    under equality is subtracted from each bin's squared difference; a true shift by several
    standard errors hardly changes.
    """
    n, m = sum(sample.values()), sum(other.values())
    if not n or not m:
        return 0.0
    distance = 0.0
    for bin_ in sample.keys() | other.keys():
        here, there = sample.get(bin_, 0), other.get(bin_, 0)
        share = (here + there) / (n + m)
        noise = share * (1 - share) * (1 / n + 1 / m)
        distance += math.sqrt(max(0.0, (here / n - there / m) ** 2 - noise))
    return min(1.0, distance / 2)


def stability_index(sample: Mapping[str, int], other: Mapping[str, int]) -> float:
    """Return the population stability index, for display: it has no significance level.

    Half a session is added to each bin, so that empty bins give finite values.
    """
    bins = sample.keys() | other.keys()
    if not bins:
        return 0.0
    n, m = sum(sample.values()) + len(bins) / 2, sum(other.values()) + len(bins) / 2
    index = 0.0
    for bin_ in bins:
        here, there = (sample.get(bin_, 0) + 0.5) / n, (other.get(bin_, 0) + 0.5) / m
        index += (here - there) * math.log(here / there)
    return index
