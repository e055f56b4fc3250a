"""Novelty: does the candidate's effect last, or was it the charm of something new?

Each user's first day (in UTC) in the phase is compared with the days after it. All users of an
arm count in both parts, also those who never came back: whether a user returns may be an effect
of the version, so to compare those who returned alone would compare different users.

What is tested is the change of the quotient candidate / champion, on a logarithmic scale. A user's
two parts are alike, so the variance is that of their difference over users (delta method), with
the covariance of the parts and without an assumption about it.

A statement for people: nothing is promoted or rolled back for it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from recommender_operator.analysis.tail_probabilities import holm
from recommender_operator.experiments import confidence_sequences, sample_size
from recommender_operator.experiments.arm_moments import DAYS, Moments
from recommender_operator.experiments.estimates import MIN_CONTRIBUTORS, MIN_USERS
from recommender_operator.experiments.experiment_metrics import DEFINITIONS, Metric
from recommender_operator.experiments.plan import Phase, Plan

FIRST, LATER = "first", "later"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Novelty:
    """The relative difference of a metric on users' first days and later, and its change.

    `change` -0.05: candidate / champion is 5 % lower on later days. Its interval holds over all
    looks and there is no `p_value`, unless the experiment was read: then both are of that look.
    None: too few users, or too few of them come back; or `problem` says why.
    """

    metric: Metric
    first: float | None = None
    later: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    problem: str = ""
    #: Level of the test of `p_value`.
    alpha: float = 0.0

    @property
    def changes(self) -> bool:
        """True if the difference changes, beyond chance.

        The interval is of one metric alone, so with a p-value that is the one that counts.
        """
        if self.p_value is not None:
            return self.p_value <= self.alpha
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclasses.dataclass(frozen=True)
class _Change:
    """The change of log(candidate / champion) from the first days to later ones."""

    metric: Metric
    first: float
    later: float
    log: float
    error: float

    def novelty(
        self, multiplier: float, p_value: float | None = None, alpha: float = 0.0
    ) -> Novelty:
        reach = multiplier * self.error
        return Novelty(
            metric=self.metric,
            first=self.first,
            later=self.later,
            change=math.expm1(self.log),
            low=math.expm1(self.log - reach),
            high=math.expm1(min(self.log + reach, 700.0)),
            p_value=p_value,
            alpha=alpha,
        )


def novelty_of(plan: Plan, phase: Phase, *, read: bool = False) -> tuple[Novelty, ...]:
    """Return the novelty of each primary metric that can be counted by days.

    `read`: this look is the one at the planned users, so it has the level of one look.
    """
    metrics = [each.metric for each in plan.primary if has_days(each.metric)]
    problem = phase.days_problem
    if problem:
        return tuple(Novelty(metric=metric, problem=problem) for metric in metrics)
    champion, candidate = (phase.days.get(arm) for arm in (phase.champion, phase.candidate))
    if champion is None or candidate is None:
        return ()
    try:
        told = _told(plan, metrics, champion, candidate, read=read)
    except (ValueError, ArithmeticError) as error:
        # Novelty decides nothing, so it must not stop a decision such as a rollback.
        problem = f"its numbers allow no computation ({type(error).__name__})"
        return tuple(Novelty(metric=metric, problem=problem) for metric in metrics)
    return tuple(told.get(metric, Novelty(metric=metric)) for metric in metrics)


def has_days(metric: Metric) -> bool:
    """Return whether a metric can be counted by days; a return is later by definition."""
    return all(f"{FIRST}.{name}" in DAYS for name in DEFINITIONS[metric].components)


def _told(
    plan: Plan, metrics: Sequence[Metric], champion: Moments, candidate: Moments, *, read: bool
) -> dict[Metric, Novelty]:
    found = [_change(metric, champion, candidate) for metric in metrics]
    changes = [each for each in found if each is not None]
    if not read:
        # Two-sided, and at the level of all metrics together.
        level = plan.alpha / 2 / max(1, len(changes))
        most = confidence_sequences.multiplier(champion.users + candidate.users, level)
        return {each.metric: each.novelty(most) for each in changes}
    p_values = holm([sample_size.two_sided(each.log / each.error) for each in changes])
    most = sample_size.critical(plan.alpha)
    return {
        each.metric: each.novelty(most, p, plan.alpha)
        for each, p in zip(changes, p_values, strict=True)
    }


def _change(metric: Metric, champion: Moments, candidate: Moments) -> _Change | None:
    """Return the change of a metric; None if users or values are too few for a test."""
    arms = (champion, candidate)
    if not all(_enough(metric, part, arm) for arm in arms for part in (FIRST, LATER)):
        return None
    first, later = (
        _value(metric, part, candidate) / _value(metric, part, champion) for part in (FIRST, LATER)
    )
    error = math.sqrt(math.fsum(_variance(metric, arm) / arm.users for arm in arms))
    if error <= 0:
        return None
    return _Change(metric, first - 1, later - 1, math.log(later / first), error)


def _enough(metric: Metric, part: str, arm: Moments) -> bool:
    """Return whether enough users make the value of a part (L. Kish's effective size)."""
    definition = DEFINITIONS[metric]
    name, below = f"{part}.{definition.numerator}", definition.denominator
    if below is not None and not arm.sums[f"{part}.{below}"] > 0:
        # A purchase may be of another day than the session that led to it.
        return False
    total, square = arm.sums[name], arm.products[f"{name}*{name}"]
    contributors = total * total / square if square > 0 else 0.0
    return arm.users >= MIN_USERS and contributors >= MIN_CONTRIBUTORS


def _value(metric: Metric, part: str, arm: Moments) -> float:
    definition = DEFINITIONS[metric]
    below = arm.users if definition.denominator is None else None
    denominator = below or arm.sums[f"{part}.{definition.denominator}"]
    return arm.sums[f"{part}.{definition.numerator}"] / denominator


def _variance(metric: Metric, arm: Moments) -> float:
    """Return the variance of what one user adds to log(later value / value of the first days).

    A user adds x / mean(x) of a numerator, and -x / mean(x) of a denominator.
    """
    definition = DEFINITIONS[metric]
    weights: dict[str, float] = {}
    for part, sign in ((FIRST, -1), (LATER, 1)):
        weights[f"{part}.{definition.numerator}"] = sign
        if definition.denominator is not None:
            weights[f"{part}.{definition.denominator}"] = -sign
    scaled = {name: weight / arm.mean(name) for name, weight in weights.items()}
    return max(
        0.0,
        math.fsum(
            one * other * arm.covariance(name, another)
            for name, one in scaled.items()
            for another, other in scaled.items()
        ),
    )
