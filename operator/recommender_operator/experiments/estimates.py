"""Two arms compared in one metric, over users.

A metric is a ratio of two sums over users, and a user's answers, clicks or sessions are alike, so
its variance comes from the users and not from the answers (delta method: A. Deng, U. Knoblich and
J. Lu, KDD 2018). The relative difference is tested without a division: `candidate - (1 + r) *
champion` is normal for many users, whatever r is. Its interval has the values of r that this test
does not exclude (E. C. Fieller, 1954), so an interval excludes r exactly if the test does.
"""

from __future__ import annotations

import dataclasses
import math

from recommender_operator.experiments.arm_moments import Moments
from recommender_operator.experiments.experiment_metrics import DEFINITIONS, Metric

#: Least users of an arm, and least users that make a metric's value (a user who makes half of it
#: does not count as many), in the smaller arm if the arms are alike. Below, the normal
#: approximation is poor, and an arm without a single buyer would seem to have no variance.
MIN_USERS = 100
MIN_CONTRIBUTORS = 30
#: CUPED is used if the covariate explains at least this share of the variance.
MIN_REDUCTION = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """A metric of both arms, and the candidate's relative difference with its interval.

    `difference` 0.1 means 10 % more than the champion's value, which is worse for a metric of
    which less is better. None: no such value (no users, or a champion's value of 0); an end of the
    interval that is None is unbounded. `always_valid`: the interval holds over all looks and there
    is no `p_value`; otherwise both are of one look at the planned number of users.
    `standard_error`: of the difference candidate - champion. `covariate`: the variance was reduced
    by what users did before (CUPED); the difference is then not exactly that of the two values.
    """

    metric: Metric
    champion: float | None
    candidate: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    standard_error: float | None = None
    champion_users: int = 0
    candidate_users: int = 0
    always_valid: bool = False
    covariate: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """Both arms in one metric.

    `champion_value` and `candidate_value` are as measured, `champion` and `candidate` with CUPED.
    `variance_*` is of one user (linearised), so the variance of a value is that over the users.
    """

    metric: Metric
    champion_value: float
    candidate_value: float
    champion: float
    candidate: float
    variance_champion: float
    variance_candidate: float
    champion_users: int
    candidate_users: int
    contributors: float
    covariate: bool

    @property
    def sign(self) -> int:
        """1 if more is better, -1 if less is."""
        return 1 if DEFINITIONS[self.metric].higher_is_better else -1

    @property
    def enough(self) -> bool:
        """True if there are enough users for any test."""
        least = min(self.champion_users, self.candidate_users)
        return least >= MIN_USERS and self.contributors >= MIN_CONTRIBUTORS

    def error(self, relative: float = 0.0) -> float:
        """Return the standard error of `candidate - (1 + relative) * champion`."""
        scale = 1 + relative
        return math.sqrt(
            self.variance_candidate / self.candidate_users
            + scale * scale * self.variance_champion / self.champion_users
        )

    def z(self, gain: float = 0.0) -> float:
        """Return the standard normal statistic against "the candidate is better by `gain`".

        `gain` is relative, negative for a loss. Positive: better than that, whether more or less
        is better. Infinite if no user differs from the other users of the arm, but the arms do.
        """
        relative = self.sign * gain
        difference = self.sign * (self.candidate - (1 + relative) * self.champion)
        error = self.error(relative)
        if error > 0:
            return difference / error
        return math.copysign(math.inf, difference) if difference else 0.0

    def interval(self, multiplier: float) -> tuple[float | None, float | None]:
        """Return the relative differences within `multiplier` standard errors (Fieller).

        None for both ends if the champion's value is within `multiplier` errors of 0.
        """
        here, there = self.candidate, self.champion
        v_here = multiplier**2 * self.variance_candidate / self.candidate_users
        v_there = multiplier**2 * self.variance_champion / self.champion_users
        leading = there * there - v_there
        if there <= 0 or leading <= 0:
            return None, None
        root = math.sqrt(
            max(0.0, there * there * v_here + here * here * v_there - v_here * v_there)
        )
        low, high = ((here * there + side * root) / leading - 1 for side in (-1, 1))
        return max(low, -1.0), high

    def compared(
        self, multiplier: float, *, p_value: float | None = None, always_valid: bool = False
    ) -> Comparison:
        """Return the comparison, with the interval of so many standard errors."""
        low, high = self.interval(multiplier)
        return Comparison(
            metric=self.metric,
            champion=self.champion_value,
            candidate=self.candidate_value,
            difference=self.candidate / self.champion - 1 if self.champion > 0 else None,
            low=low,
            high=high,
            p_value=p_value,
            standard_error=self.error(),
            champion_users=self.champion_users,
            candidate_users=self.candidate_users,
            always_valid=always_valid,
            covariate=self.covariate,
        )


@dataclasses.dataclass(frozen=True)
class _Arm:
    """One arm: value, variance of one user, and how the covariate goes with it."""

    moments: Moments
    value: float
    variance: float
    with_before: float
    before: float

    @property
    def degrees(self) -> int:
        return self.moments.users - 1


def pair(
    metric: Metric, champion: Moments, candidate: Moments, *, covariate: bool = True
) -> Pair | None:
    """Return both arms in a metric; None if either has no value.

    `covariate`: use CUPED if it helps.
    """
    arms = _arm(metric, champion), _arm(metric, candidate)
    there, here = arms
    if there is None or here is None:
        return None
    slope = _slope(there, here) if covariate else 0.0
    users = champion.users + candidate.users
    before = 0.0
    if slope:
        before = (champion.sums["before"] + candidate.sums["before"]) / users
    adjusted = [_adjusted(arm, slope, before) for arm in (there, here)]
    return Pair(
        metric=metric,
        champion_value=there.value,
        candidate_value=here.value,
        champion=adjusted[0][0],
        candidate=adjusted[1][0],
        variance_champion=adjusted[0][1],
        variance_candidate=adjusted[1][1],
        champion_users=champion.users,
        candidate_users=candidate.users,
        contributors=_contributors(metric, champion, candidate),
        covariate=slope != 0.0,
    )


def no_values(metric: Metric, champion: Moments, candidate: Moments) -> Comparison:
    """Return the comparison of a metric that at least one arm has no value of."""
    return Comparison(
        metric=metric,
        champion=_value(metric, champion),
        candidate=_value(metric, candidate),
        champion_users=champion.users,
        candidate_users=candidate.users,
    )


def _value(metric: Metric, arm: Moments) -> float | None:
    definition = DEFINITIONS[metric]
    if not arm.users or not arm.has(*definition.components):
        return None
    below = arm.sums[definition.denominator] if definition.denominator else float(arm.users)
    return arm.sums[definition.numerator] / below if below > 0 else None


def _arm(metric: Metric, arm: Moments) -> _Arm | None:
    """Linearise: a user is worth (numerator - value * denominator) / mean denominator."""
    value = _value(metric, arm)
    if value is None or arm.users < 2:
        return None
    above, below = DEFINITIONS[metric].numerator, DEFINITIONS[metric].denominator
    has_before = arm.has("before")
    variance = arm.covariance(above, above)
    with_before = arm.covariance(above, "before") if has_before else 0.0
    scale = 1.0
    if below is not None:
        scale = arm.mean(below)
        variance += value * value * arm.covariance(below, below)
        variance -= 2 * value * arm.covariance(above, below)
        with_before -= value * arm.covariance(below, "before") if has_before else 0.0
    before = arm.covariance("before", "before") if has_before else 0.0
    return _Arm(arm, value, max(0.0, variance) / scale**2, with_before / scale, before)


def _slope(champion: _Arm, candidate: _Arm) -> float:
    """Return the slope of the metric over `before`, one for both arms; 0 if it explains nothing.

    Source: A. Deng et al., Improving the sensitivity of online controlled experiments by utilizing
    pre-experiment data (CUPED), WSDM 2013.
    """
    arms = (champion, candidate)
    before = math.fsum(arm.degrees * arm.before for arm in arms)
    total = math.fsum(arm.degrees * arm.variance for arm in arms)
    common = math.fsum(arm.degrees * arm.with_before for arm in arms)
    if before <= 0 or total <= 0 or common * common < MIN_REDUCTION * before * total:
        return 0.0
    return common / before


def _adjusted(arm: _Arm, slope: float, before: float) -> tuple[float, float]:
    """Return value and variance of one user without what `before` explains."""
    if not slope:
        return arm.value, arm.variance
    variance = arm.variance - 2 * slope * arm.with_before + slope * slope * arm.before
    return arm.value - slope * (arm.moments.mean("before") - before), max(0.0, variance)


def _contributors(metric: Metric, champion: Moments, candidate: Moments) -> float:
    """Return the users who make the metric's value, in the smaller arm if the arms are alike.

    sum(x)^2 / sum(x^2) is the number of users with x > 0 if they are alike, and less otherwise
    (L. Kish's effective sample size).
    """
    name = DEFINITIONS[metric].numerator
    total = champion.sums[name] + candidate.sums[name]
    square = champion.products[f"{name}*{name}"] + candidate.products[f"{name}*{name}"]
    least, users = min(champion.users, candidate.users), champion.users + candidate.users
    return total * total / square * least / users if square > 0 else 0.0
