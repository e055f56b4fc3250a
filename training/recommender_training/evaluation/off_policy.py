"""Off-policy evaluation: the earnings of a version, estimated from the log of another one.

A row is one decision: an action (the item at a position) that the logging version drew with a
known probability, and its reward. Only actions that it could draw tell something, so it needs a
declared share of exploration. `target / propensity` weighs a row as the new version would have
chosen it. Rows of one user are alike, so the intervals are over users.

Sources: D. G. Horvitz and D. J. Thompson, JASA 47 (1952); A. Swaminathan and T. Joachims, The
self-normalized estimator for counterfactual learning, NeurIPS 2015; M. Dudík, J. Langford and
L. Li, Doubly robust policy evaluation and learning, ICML 2011.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from recommender_training.common.arrays import Doubles, Ints

#: Below this effective number of rows, or this number of users, there is no interval: a few rows
#: of great weight decide, and those that would have greater ones have not been drawn yet.
MIN_EFFECTIVE_ROWS = 100
MIN_USERS = 50
#: Rows that tell two versions apart (`apart`), below which their difference is no estimate: the
#: doubly robust value is then what the model of the reward says, which is often the new version's
#: own opinion. Without a true gain the low end was above 0 in 15 to 19 % of simulations with 2 to
#: 4 such rows, in 8 % with 6, and in 3 to 5 % (2.5 % are due) from 12 on.
MIN_APART = 30


class Method(enum.StrEnum):
    """IPS: unbiased. SNIPS: less variance, and the scale of the reward's zero does not matter.
    DOUBLY_ROBUST: the least variance, with a model of the reward that may be wrong."""

    IPS = "IPS"
    SNIPS = "SNIPS"
    DOUBLY_ROBUST = "DoublyRobust"


@dataclass(frozen=True, kw_only=True)
class Log:
    """Logged decisions, arrays of [N] rows.

    `propensity` and `target`: probability that the logging and the new version choose the logged
    action. `predicted`: the reward that a model predicts for the logged action; `expected`: its
    mean over the actions as the new version chooses them. The model must not have seen the rows.

    Raises:
        ValueError: lengths differ, a number is not finite, or a probability is out of range.
    """

    user: Ints
    propensity: Doubles
    target: Doubles
    reward: Doubles
    predicted: Doubles | None = None
    expected: Doubles | None = None

    def __post_init__(self) -> None:
        if (self.predicted is None) != (self.expected is None):
            raise ValueError("predicted and expected go together")
        given = {name: values for name, values in vars(self).items() if values is not None}
        for name, values in given.items():
            if values.shape != self.user.shape or values.ndim != 1 or not len(values):
                raise ValueError(f"{name}: not one value for each row")
            if not np.isfinite(values).all():
                raise ValueError(f"{name}: not finite")
        if not ((self.propensity > 0) & (self.propensity <= 1)).all():
            raise ValueError("propensity: not in (0, 1]")
        if not ((self.target >= 0) & (self.target <= 1)).all():
            raise ValueError("target: not in [0, 1]")

    @property
    def weight(self) -> Doubles:
        """How much more often [N] the new version chooses the action than the logging one."""
        return self.target / self.propensity


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The mean reward of a decision of the new version.

    `low` and `high` are None below the least number of rows or users. `effective_rows`: rows of
    equal weight that would tell as much. `mean_weight` is 1 up to chance if the new version
    chooses only what the logging one could draw and the propensities are right; `supported` says
    whether it is, and if not the estimate is of another version than the new one.
    """

    value: float
    standard_error: float
    low: float | None
    high: float | None
    effective_rows: float
    mean_weight: float
    supported: bool


@dataclass(frozen=True, kw_only=True)
class Gain:
    """How much more a decision of one version earns than one of another, with its interval."""

    value: float
    standard_error: float
    low: float
    high: float


def estimate_value(log: Log, method: Method, *, level: float = 0.95) -> Estimate:
    """Return the estimate with its interval.

    Raises:
        ValueError: the method needs a model of the reward, or no row has a weight.
    """
    weight = log.weight
    above, below = _terms(log, method)
    _, user = np.unique(log.user, return_inverse=True)
    value, error = _ratio(above, below, user)
    mean_weight, weight_error = _ratio(weight, np.ones_like(weight), user)
    z = NormalDist().inv_cdf((1 + level) / 2)
    effective = float(weight.sum() ** 2 / (weight @ weight))
    enough = effective >= MIN_EFFECTIVE_ROWS and user.max() + 1 >= MIN_USERS
    return Estimate(
        value=value,
        standard_error=error,
        low=value - z * error if enough else None,
        high=value + z * error if enough else None,
        effective_rows=effective,
        mean_weight=mean_weight,
        # Four errors: the check is made for every estimate, and weights have heavy tails.
        supported=abs(mean_weight - 1) <= 4 * weight_error + 1e-9,
    )


def gain(new: Log, old: Log, method: Method, *, level: float = 0.95) -> Gain:
    """Return the difference of two versions on the same rows, whose errors are correlated.

    Whether there are enough rows for an interval is what the estimates of both and `apart` say.

    Raises:
        ValueError: the rows differ, or as `estimate` does.
    """
    if not (np.array_equal(new.user, old.user) and np.array_equal(new.reward, old.reward)):
        raise ValueError("a difference is of the same rows")
    _, user = np.unique(new.user, return_inverse=True)
    parts = [_residuals(*_terms(log, method), user) for log in (new, old)]
    value = parts[0][0] - parts[1][0]
    error = _error(parts[0][1] - parts[1][1])
    z = NormalDist().inv_cdf((1 + level) / 2)
    return Gain(value=value, standard_error=error, low=value - z * error, high=value + z * error)


def apart(new: Log, old: Log) -> int:
    """Return on how many rows the versions choose the logged action with other probabilities.

    Only these rewards tell something about the difference; elsewhere it is what a model says.
    """
    return int((new.weight != old.weight).sum())


def _terms(log: Log, method: Method) -> tuple[Doubles, Doubles]:
    """Return the terms [N] of the numerator and of the denominator of the estimate."""
    weight = log.weight
    if not weight.any():
        raise ValueError("the new version chooses none of the logged actions")
    if method is not Method.DOUBLY_ROBUST:
        below = weight if method is Method.SNIPS else np.ones_like(weight)
        return weight * log.reward, below
    if log.predicted is None or log.expected is None:
        raise ValueError("the doubly robust estimate needs predicted and expected rewards")
    return log.expected + weight * (log.reward - log.predicted), np.ones_like(weight)


def _ratio(above: Doubles, below: Doubles, user: Ints) -> tuple[float, float]:
    """Return a ratio of sums and its standard error over users (delta method)."""
    value, residual_U = _residuals(above, below, user)
    return value, _error(residual_U)


def _residuals(above: Doubles, below: Doubles, user: Ints) -> tuple[float, Doubles]:
    """Return a ratio of sums, and what each user adds to its error (delta method)."""
    above_U, below_U = (np.bincount(user, weights=values) for values in (above, below))
    value = float(above_U.sum() / below_U.sum())
    return value, (above_U - value * below_U) / below_U.sum()


def _error(residual_U: Doubles) -> float:
    users = len(residual_U)
    if users < 2:
        return float("inf")
    return float(np.sqrt(float(residual_U @ residual_U) * users / (users - 1)))
