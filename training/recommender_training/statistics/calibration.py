"""Temperature scaling: one number, fitted on the validation window, that calibrates the logits."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit

from recommender_training.common.arrays import Bools, Doubles
from recommender_training.statistics import metrics


def probability(logit: Doubles) -> Doubles:
    """The logistic function, without overflow."""
    return np.asarray(expit(logit), dtype=np.float64)


def fit_temperature(label: Bools, logit: Doubles) -> float:
    """The temperature in [0.2, 5] with the least log loss; a logit is divided by it."""

    def loss(log_temperature: float) -> float:
        return metrics.log_loss(label, probability(logit / np.exp(log_temperature)))

    bound = float(np.log(5.0))
    found = minimize_scalar(loss, bounds=(-bound, bound), method="bounded")
    return float(np.exp(found.x))
