"""The test at the planned number of users, which is read once.

Holm's procedure over the primary metrics if one has to be better; each at its own level if all of
them have to be no worse, because then every test must succeed (R. L. Berger, 1982). With further
versions the tests of all of them are one family.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence

from recommender_operator.analysis.tail_probabilities import holm
from recommender_operator.experiments import sample_size
from recommender_operator.experiments.arm_moments import Moments
from recommender_operator.experiments.estimates import Comparison, Pair, pair
from recommender_operator.experiments.plan import Goal, Phase, Plan, Primary

#: Stop for futility below this probability of the required end, given the smallest effect. A
#: candidate with that effect is then lost with probability at most (1 - power) / (1 - 0.1)
#: instead of 1 - power, over all looks (K. K. G. Lan, R. Simon and M. Halperin, 1982).
FUTILE_BELOW = 0.1
#: A value cannot fall by more than all of it, also where the smallest effect doubles it.
_LEAST_CHANGE = -0.9


class Outcome(enum.Enum):
    """UNDECIDED: the test found no difference that decides."""

    BETTER = enum.auto()
    WORSE = enum.auto()
    UNDECIDED = enum.auto()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Horizon:
    """The planned users by arm, and the part of them seen so far (may exceed 1)."""

    champion: int
    candidate: int
    fraction: float


def margins(plan: Plan, primary: Primary) -> tuple[float, float]:
    """Return the gain that is tested against and the gain to plan for, both relative."""
    if plan.goal is Goal.NOT_WORSE:
        return -primary.smallest_effect, 0.0
    return 0.0, primary.smallest_effect


def level(plan: Plan) -> float:
    """Return the two-sided level that a metric is planned for."""
    tests = len(plan.primary) if plan.goal is Goal.SUPERIOR else 1
    return plan.alpha / (tests * plan.compared)


def pairs(plan: Plan, champion: Moments, candidate: Moments) -> list[Pair] | None:
    """Return the primary metrics; None if one has no value or too few users for a test."""
    found = [pair(primary.metric, champion, candidate) for primary in plan.primary]
    known = [each for each in found if each is not None and each.enough and each.champion > 0]
    return known if len(known) == len(found) else None


def planned(plan: Plan, phase: Phase, found: Sequence[Pair]) -> Horizon:
    """Return the planned users: the most that a primary metric needs.

    Variances and values are those of the data so far, so the plan becomes exact while users
    arrive. Of the effect only the sign is looked at, so the test keeps its level (a stopping rule
    by precision: F. J. Anscombe, 1952; Y. S. Chow and H. Robbins, 1965).
    """
    weights = phase.weights
    share = weights[phase.candidate] / (weights[phase.candidate] + weights[phase.champion])
    needed = (0, 0)
    for primary, each in zip(plan.primary, found, strict=True):
        against, expected = margins(plan, primary)
        champion, of_champion, of_candidate = expectation(each, expected)
        value = champion if primary.baseline is None else primary.baseline
        scale = (1 + each.sign * against) ** 2
        users = sample_size.users_per_arm(
            (scale * of_champion, of_candidate),
            primary.smallest_effect * value,
            alpha=level(plan),
            power=plan.power,
            share=share,
        )
        needed = max(needed, users)
    champion, candidate = max(1, needed[0]), max(1, needed[1])
    seen = min(found[0].champion_users / champion, found[0].candidate_users / candidate)
    return Horizon(champion=champion, candidate=candidate, fraction=seen)


def expectation(seen: Pair, effect: float) -> tuple[float, float, float]:
    """Return the champion's value and the variances of a user of both arms to plan with.

    They are those of both arms together, divided as if the candidate's value differed by `effect`
    in the direction that it has now, and with variances in proportion to the values. Each arm's
    own numbers would end experiments at the wrong time: where few users make a metric, a candidate
    with few events by chance also has a small variance, and a champion with many by chance makes
    the difference to be found look large. Both ask for too few users just when the difference
    seems small.
    """
    users = seen.champion_users + seen.candidate_users
    part = seen.candidate_users / users
    value = (1 - part) * seen.champion + part * seen.candidate
    variance = (1 - part) * seen.variance_champion + part * seen.variance_candidate
    change = math.copysign(effect, seen.candidate - seen.champion)
    candidate = 1 + max(_LEAST_CHANGE, change)
    both = 1 - part + part * candidate
    return value / both, variance / both, variance / both * candidate


def read_at_horizon(plan: Plan, found: Sequence[Pair]) -> tuple[Outcome, tuple[Comparison, ...]]:
    """Return the outcome of the test, and each metric with interval and p-value."""
    return read_all(plan, [found])[0]


def read_all(
    plan: Plan, arms: Sequence[Sequence[Pair]]
) -> list[tuple[Outcome, tuple[Comparison, ...]]]:
    """Return the same of each version that is compared with the champion.

    The p-values are two-sided: against no difference and adjusted by Holm over all versions and
    metrics, or against a loss of the smallest effect and adjusted by Bonferroni over the versions.
    Versions of the plan that are not tested count as tests that found nothing.
    """
    z = [
        [
            each.z(margins(plan, primary)[0])
            for primary, each in zip(plan.primary, arm, strict=True)
        ]
        for arm in arms
    ]
    plain = [[sample_size.two_sided(each) for each in row] for row in z]
    corrected = _holm(plan, plain)
    against = corrected
    multiplier = sample_size.critical(plan.alpha)
    if plan.goal is Goal.NOT_WORSE:
        against = [[min(1.0, p * plan.compared) for p in row] for row in plain]
        multiplier = sample_size.critical(plan.alpha / plan.compared)
    return [
        (_outcome(plan, *rows), _compared(arm, rows[0], multiplier))
        for arm, *rows in zip(arms, against, corrected, z, strict=True)
    ]


def _holm(plan: Plan, p_values: Sequence[Sequence[float]]) -> list[list[float]]:
    given = [p for row in p_values for p in row]
    untested = plan.compared * len(plan.primary) - len(given)
    corrected = iter(holm([*given, *[1.0] * untested]))
    return [[next(corrected) for _ in row] for row in p_values]


def _outcome(
    plan: Plan, p_values: Sequence[float], corrected: Sequence[float], z: Sequence[float]
) -> Outcome:
    # To be worse in one metric is enough, whatever the goal is, so Holm applies.
    if any(p <= plan.alpha and each < 0 for p, each in zip(corrected, z, strict=True)):
        return Outcome.WORSE
    passed = [p <= plan.alpha and each > 0 for p, each in zip(p_values, z, strict=True)]
    enough = any(passed) if plan.goal is Goal.SUPERIOR else all(passed)
    return Outcome.BETTER if enough else Outcome.UNDECIDED


def _compared(
    arm: Sequence[Pair], p_values: Sequence[float], multiplier: float
) -> tuple[Comparison, ...]:
    return tuple(
        each.compared(multiplier, p_value=p) for each, p in zip(arm, p_values, strict=True)
    )


def futile(plan: Plan, found: Sequence[Pair], fraction: float) -> bool:
    """Return whether the rest of the planned users can hardly lead to a promotion."""
    if fraction >= 1:
        return False
    hopeless = []
    for primary, each in zip(plan.primary, found, strict=True):
        if not each.error():
            return False  # no user differs from the others: nothing is known of the rest
        against, expected = margins(plan, primary)
        gain = each.champion if primary.baseline is None else primary.baseline
        drift = (expected - against) * gain / (each.error() * fraction**0.5)
        power = sample_size.conditional_power(
            each.z(against),
            fraction=fraction,
            drift=drift,
            least=sample_size.critical(level(plan)),
        )
        hopeless.append(power < FUTILE_BELOW)
    return all(hopeless) if plan.goal is Goal.SUPERIOR else any(hopeless)
