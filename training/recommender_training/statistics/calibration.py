"""Calibration of logits: a scale about the base rate, and a shift where held-out users confirm it.

Temperature scaling divides a logit by a number; at rare positives that moves the mean more than
the spread, because all logits are far from 0. So the scale leaves the logit of the base rate
where it is, or 0 where the classes are balanced, as temperature scaling does. A shift of the mean
is a second number (Platt 1999), which few positives determine badly: it is used only where it
lowers the loss of users that it was not fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit

from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.statistics import model_metrics

#: With fewer rows of either class, logits stay as they are.
MIN_CLASS_ROWS = 20
#: Shares of positives of balanced classes.
BALANCED = (0.2, 0.8)
#: The temperature is between the inverse of this and this.
MAX_TEMPERATURE = 5.0
#: The most that the odds are multiplied or divided by, beside the scale.
MAX_SHIFT = 4.0
#: Groups of users in turn held out to judge a shift.
FOLDS = 5
#: A shift is used where its gain is so many standard errors above zero.
STANDARD_ERRORS = 2.0


@dataclass(frozen=True)
class Calibration:
    """A calibrated logit is `logit / temperature + offset`."""

    temperature: float = 1.0
    offset: float = 0.0

    def __call__(self, logit: Doubles) -> Doubles:
        """Calibrated logits."""
        return logit / self.temperature + self.offset

    def moved(self, shift: float) -> Calibration:
        """The same with another share of positives: `shift` is added to every logit."""
        return replace(self, offset=self.offset + shift) if shift else self


@dataclass(frozen=True)
class _Rows:
    """Held-out rows [N], and the logit that the scale leaves where it is."""

    label: Bools
    logit: Doubles
    centre: float

    def take(self, rows: Bools) -> _Rows:
        return _Rows(self.label[rows], self.logit[rows], self.centre)

    def losses(self, found: Calibration) -> Doubles:
        return model_metrics.log_losses(self.label, probability(found(self.logit)))

    def calibration(self, log_temperature: float, shift: float = 0.0) -> Calibration:
        temperature = float(np.exp(log_temperature))
        return Calibration(temperature, self.centre * (1 - 1 / temperature) + shift)


def probability(logit: Doubles) -> Doubles:
    """The logistic function, without overflow."""
    return np.asarray(expit(logit), dtype=np.float64)


def fit(label: Bools, logit: Doubles, user: Ints, base_rate: float) -> Calibration:
    """The calibration of the held-out rows [N] of these users with the least log loss.

    `base_rate` is the share of positives, above 0 and below 1, that the model was fitted on.
    """
    positives = int(label.sum())
    if min(positives, len(label) - positives) < MIN_CLASS_ROWS:
        return Calibration()
    rows = _Rows(label, logit, centre_of(base_rate))
    return _shifted(rows) if _shift_helps(rows, user) else _scaled(rows)


def centre_of(base_rate: float) -> float:
    """The logit that the scale leaves where it is."""
    return 0.0 if BALANCED[0] <= base_rate <= BALANCED[1] else logit_of(base_rate)


def logit_of(share: float) -> float:
    """Logit of a share above 0 and below 1."""
    return float(np.log(share) - np.log1p(-share))


def _scaled(rows: _Rows) -> Calibration:
    """The temperature with the least loss, about the base rate."""
    bound = float(np.log(MAX_TEMPERATURE))
    found = minimize_scalar(
        lambda log_temperature: rows.losses(rows.calibration(log_temperature)).mean(),
        bounds=(-bound, bound),
        method="bounded",
    )
    return rows.calibration(float(found.x))


def _shifted(rows: _Rows) -> Calibration:
    """Temperature and shift with the least loss."""
    bounds = [(-bound, bound) for bound in np.log([MAX_TEMPERATURE, MAX_SHIFT])]

    def loss(numbers: Doubles) -> tuple[float, Doubles]:
        found = rows.calibration(*numbers)
        error = probability(found(rows.logit)) - rows.label
        slope = -float(error @ (rows.logit - rows.centre)) / found.temperature
        return rows.losses(found).mean(), np.array([slope, error.sum()]) / len(error)

    best = minimize(loss, np.zeros(2), jac=True, bounds=bounds, method="L-BFGS-B")
    return rows.calibration(*best.x)


def _shift_helps(rows: _Rows, user: Ints) -> bool:
    """True if a shift found on some users lowers the loss of others, beyond chance.

    Users differ in what no feature tells, so that their rows are not independent.
    """
    users, number = np.unique(user, return_inverse=True)
    if len(users) < FOLDS:
        return False
    fold = np.random.default_rng(0).permutation(len(users))[number] % FOLDS
    gain = np.zeros(len(user))
    for held in range(FOLDS):
        inside, others = rows.take(fold == held), rows.take(fold != held)
        gain[fold == held] = inside.losses(_scaled(others)) - inside.losses(_shifted(others))
    of_users = np.bincount(number, weights=gain)
    return bool(of_users.sum() > STANDARD_ERRORS * np.sqrt((of_users**2).sum()))
