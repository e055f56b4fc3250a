"""Rare bad events, such as fallbacks: is the candidate worse beyond chance?

The value itself says little then: 0 fallbacks against 1 would be infinitely worse. And there are
too few for the normal approximation. But given the events of both arms, those of the candidate are
binomial (J. Przyborowski and H. Wilenski, Biometrika 31, 1940).
"""

from __future__ import annotations

import math

from recommender_operator.analysis.tail_probabilities import binomial_tail
from recommender_operator.experiments.arm_moments import Moments
from recommender_operator.experiments.experiment_metrics import DEFINITIONS, Metric


def chance(metric: Metric, champion: Moments, candidate: Moments, loss: float) -> float:
    """Return the probability of so many events of the candidate if it loses exactly `loss`.

    Events of one user may have one cause, so each counts as the part of a user's events that
    sum(x) / sum(x^2) says (L. Kish's effective size); divisions round in favour of the
    candidate. Both err on the side of chance.
    """
    definition = DEFINITIONS[metric]
    name = definition.numerator
    total = champion.sums[name] + candidate.sums[name]
    if not total:
        return 1.0
    square = champion.products[f"{name}*{name}"] + candidate.products[f"{name}*{name}"]
    of_one = max(1.0, square / total)
    here = math.floor(candidate.sums[name] / of_one)
    there = math.ceil(champion.sums[name] / of_one)
    weight = _exposure(candidate, definition.denominator) * (1 + loss)
    share = weight / (weight + _exposure(champion, definition.denominator))
    return binomial_tail(here, here + there, share)


def _exposure(arm: Moments, denominator: str | None) -> float:
    return arm.sums[denominator] if denominator is not None else float(arm.users)
