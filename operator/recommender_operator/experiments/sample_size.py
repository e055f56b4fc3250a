"""Planned users of an experiment, and whether the rest of them can still change its end."""

from __future__ import annotations

import math
from statistics import NormalDist

_NORMAL = NormalDist()
#: Maximum number of planned users of an arm: more than there are people, and a number of the API.
MAX_USERS = 10**12


def critical(alpha: float) -> float:
    """Return the standard errors that a two-sided test at level `alpha` requires."""
    return _NORMAL.inv_cdf(1 - alpha / 2)


def two_sided(z: float) -> float:
    """Return the two-sided p-value of a standard normal statistic."""
    return math.erfc(abs(z) / math.sqrt(2))


def users_per_arm(
    variances: tuple[float, float],
    distance: float,
    *,
    alpha: float,
    power: float,
    share: float = 0.5,
) -> tuple[int, int]:
    """Return the users of champion and candidate for a two-sided test.

    Args:
        variances: Variance of one user of the champion and of the candidate.
        distance: Absolute difference that is to be found with probability `power`.
        alpha: Level of the test.
        power: Probability of finding the difference; the wrong tail is left out.
        share: The candidate's share of the users of both arms.

    No arm needs more than MAX_USERS here: it will not be decided, whatever the number is.
    """
    error = distance / (critical(alpha) + _NORMAL.inv_cdf(power))
    variance = variances[0] / (1 - share) + variances[1] / share
    # Not divided by a square that may be 0: the smallest distances have none.
    both = variance / error / error if error > 0 else math.inf
    champion, candidate = min(both * (1 - share), MAX_USERS), min(both * share, MAX_USERS)
    return math.ceil(champion), math.ceil(candidate)


def conditional_power(z: float, *, fraction: float, drift: float, least: float) -> float:
    """Return the probability that the statistic ends at `least` or more.

    Args:
        z: The statistic so far.
        fraction: Part of the planned users seen so far (0 to 1).
        drift: Expected statistic at the end under the effect that is to be found.
        least: What the test requires at the end.

    z * sqrt(fraction) behaves like a Brownian motion over `fraction` (K. K. G. Lan and J. Wittes,
    The B-value, Biometrics 44, 1988).
    """
    left = 1 - fraction
    if left <= 0:
        return float(z >= least)
    expected = z * math.sqrt(fraction) + drift * left
    return 1 - _NORMAL.cdf((least - expected) / math.sqrt(left))
