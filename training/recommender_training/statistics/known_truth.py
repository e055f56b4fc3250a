"""How close a model comes to the true probabilities, where the data were generated with them.

No model beats the truth but by chance, so its metrics on the same rows are the ones to reach.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.statistics import bootstrap, model_metrics


@dataclass(frozen=True)
class Estimate:
    """A metric with its 95 % interval over users; without ends where none is to be trusted."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Closeness:
    """A model and the truth on the same rows."""

    auc: float
    auc_truth: float
    normalised_entropy: float
    normalised_entropy_truth: float
    pr_auc: float
    pr_auc_truth: float
    calibration: Estimate  # mean probability over the share of positives

    @property
    def auc_ratio(self) -> float:
        """Share of what the truth has beyond chance; NaN where it has nothing."""
        beyond = self.auc_truth - 0.5
        return (self.auc - 0.5) / beyond if beyond > 0 else float("nan")


def expected_auc(truth: Doubles, score: Doubles, weight: Doubles | None = None) -> float:
    """AUC of a score [N] where each row counts as positive by its true probability [N].

    Every pair of two rows has the weight p (1 - p') with which the one is positive and the other
    is not, and ties count half. So the chance of a few positives is in neither of two scores that
    are compared. `weight` [N] is how often each row is there; once if absent. Raises ValueError
    where no pair can be of both classes.
    """
    likely, other = truth, 1.0 - truth
    if weight is not None:
        likely, other = weight * likely, weight * other
    _, place = np.unique(score, return_inverse=True)
    positive = np.bincount(place, weights=likely)
    negative = np.bincount(place, weights=other)
    below = np.cumsum(negative) - negative / 2
    own = float((likely * (1.0 - truth)).sum())  # of each row with itself, which is no pair
    pairs = float(likely.sum()) * float(other.sum()) - own
    if pairs <= 0.0:
        raise ValueError(f"all {len(truth)} rows are of one class: both are needed")
    return (float((positive * below).sum()) - own / 2) / pairs


def compare(label: Bools, probability: Doubles, truth: Doubles, user: Ints) -> Closeness:
    """Compare rows [N] of these users. Raises ValueError where there is one class only."""
    positives = int(label.sum())
    if not 0 < positives < len(label):
        raise ValueError(f"{positives} of {len(label)} rows are positive: both classes are needed")
    return Closeness(
        auc=_defined(model_metrics.auc(label, probability)),
        auc_truth=_defined(model_metrics.auc(label, truth)),
        normalised_entropy=_defined(model_metrics.normalised_entropy(label, probability)),
        normalised_entropy_truth=_defined(model_metrics.normalised_entropy(label, truth)),
        pr_auc=_defined(model_metrics.average_precision(label, probability)),
        pr_auc_truth=_defined(model_metrics.average_precision(label, truth)),
        calibration=calibration_estimate(label, probability, user),
    )


def calibration_estimate(label: Bools, probability: Doubles, user: Ints) -> Estimate:
    """Mean probability over the share of positives, by resampling users.

    Raises ValueError where no row is positive.
    """
    ratio = model_metrics.calibration_ratio(label, probability)
    if ratio is None:
        raise ValueError(
            f"none of {len(label)} rows is positive: there is no rate to compare with"
        )
    drawn = bootstrap.draw(user)
    observed = bootstrap.mean(drawn, label.astype("float64"), user)
    predicted = bootstrap.mean(drawn, probability, user)
    observed[observed == 0] = float("nan")  # undefined where no positive was drawn
    low, high = bootstrap.interval(drawn, predicted / observed) or (None, None)
    return Estimate(ratio, low, high)


def _defined(value: float | None) -> float:
    assert value is not None, "both classes are there"
    return value
