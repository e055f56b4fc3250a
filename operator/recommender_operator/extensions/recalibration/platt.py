"""Platt scaling of binned predictions: a slope and a shift of the log-odds, by Newton's method."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

_STEPS = 100
_CLOSE = 1e-10
#: Largest change of a number in a step, which keeps the sums finite.
_LARGEST = 1.0


@dataclasses.dataclass(frozen=True)
class Scale:
    """A calibrated log-odds is `slope * log_odds + shift`; the slope is positive."""

    slope: float = 1.0
    shift: float = 0.0

    def at(self, log_odds: float) -> float:
        """Return the calibrated log-odds."""
        return self.slope * log_odds + self.shift

    def after(self, first: Scale) -> Scale:
        """Return the scale that does the same as the first one, and then this one."""
        return Scale(self.slope * first.slope, self.at(first.shift))


@dataclasses.dataclass(frozen=True)
class Bin:
    """Predictions near one probability, and their labels."""

    count: float
    positive: float
    log_odds: float
    error: float = 0.0  # standard error of the share of positives
    is_full: bool = True  # has enough labels to tell a slope


def sigmoid(log_odds: float) -> float:
    """Return the logistic function, without overflow."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1 + odds)


def calibrated_share(of: Bin, scale: Scale) -> float:
    """Return the calibrated probability of a bin."""
    return sigmoid(scale.at(of.log_odds))


def loss(of: Bin, scale: Scale) -> float:
    """Return the log loss of a bin, in nats."""
    z = scale.at(of.log_odds)
    return of.count * (max(z, 0.0) + math.log1p(math.exp(-abs(z)))) - of.positive * z


def fit(bins: Sequence[Bin], *, has_slope: bool = True) -> Scale:
    """Return the scale with the least log loss.

    The loss is convex, and a step that would raise it is halved: Newton's method alone may jump
    from one side of the minimum to the other forever. Without two bins that have enough labels a
    slope is not determined: it stays 1.

    Raises:
        ValueError: there is no minimum, as with labels of one class only.
    """
    if not bins:
        raise ValueError("there are no predictions")
    has_slope = has_slope and sum(each.is_full for each in bins) > 1
    centre = sum(each.count * each.log_odds for each in bins) / sum(each.count for each in bins)
    slope, level = 1.0, centre  # the log-odds of a bin are slope * (log_odds - centre) + level
    for _ in range(_STEPS):
        before = _loss(bins, slope, level, centre)
        dx, dy = _step(bins, slope, level, centre, has_slope=has_slope)
        while max(abs(dx), abs(dy)) >= _CLOSE and (
            _loss(bins, slope + dx, level + dy, centre) > before
        ):
            dx, dy = dx / 2, dy / 2
        slope, level = slope + dx, level + dy
        if max(abs(dx), abs(dy)) < _CLOSE:
            return Scale(slope, level - slope * centre)
    raise ValueError("the labels do not determine a calibration")


def _loss(bins: Sequence[Bin], slope: float, level: float, centre: float) -> float:
    scale = Scale(slope, level - slope * centre)
    return math.fsum(loss(each, scale) for each in bins)


def _step(
    bins: Sequence[Bin], slope: float, level: float, centre: float, *, has_slope: bool
) -> tuple[float, float]:
    """Return a step of Newton's method for slope and level, bounded."""
    gradient = [0.0, 0.0]
    xx = x1 = one = 0.0
    for each in bins:
        x = each.log_odds - centre
        p = sigmoid(slope * x + level)
        residual, weight = each.positive - each.count * p, each.count * p * (1 - p)
        gradient[0] += residual * x
        gradient[1] += residual
        xx, x1, one = xx + weight * x * x, x1 + weight * x, one + weight
    if not has_slope:
        if one <= 0:
            raise ValueError("the labels do not determine a calibration")
        return 0.0, _bounded(gradient[1] / one)
    determinant = xx * one - x1 * x1
    if determinant <= 0:
        raise ValueError("the labels do not determine a calibration")
    return (
        _bounded((one * gradient[0] - x1 * gradient[1]) / determinant),
        _bounded((xx * gradient[1] - x1 * gradient[0]) / determinant),
    )


def _bounded(step: float) -> float:
    return min(max(step, -_LARGEST), _LARGEST)
