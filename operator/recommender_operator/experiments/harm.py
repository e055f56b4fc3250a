"""Harm: tested at every look, so by confidence sequences.

The level is split over all metrics of the experiment: the probability that a candidate that harms
in none of them is rolled back for harm at any look of a phase is at most alpha. Each phase is
judged by itself, so with a ramp of k shares below the weight it is at most (k + 1) alpha.
"""

from __future__ import annotations

import dataclasses

from recommender_operator.experiments import confidence_sequences, rare_events
from recommender_operator.experiments.arm_moments import Moments
from recommender_operator.experiments.estimates import (
    MIN_CONTRIBUTORS,
    MIN_USERS,
    Comparison,
    Pair,
    no_values,
    pair,
)
from recommender_operator.experiments.experiment_metrics import DEFINITIONS, Metric
from recommender_operator.experiments.plan import Goal, Plan


@dataclasses.dataclass(frozen=True, kw_only=True)
class Watched:
    """One metric at one look.

    `harmful`: worse than the limit beyond chance, over all looks of the phase. `within`: the
    value itself is within the limit, or what should be little is rare and not beyond it for sure;
    False without a value.
    """

    comparison: Comparison
    limit: float
    harmful: bool
    within: bool


def limits(plan: Plan) -> dict[Metric, float]:
    """Return the largest relative loss by metric: guardrails first, then primary metrics.

    A primary metric without a guardrail of its own may lose nothing, or its smallest effect if
    the candidate only has to be no worse.
    """
    found = {guardrail.metric: guardrail.largest_loss for guardrail in plan.guardrails}
    for primary in plan.primary:
        loss = primary.smallest_effect if plan.goal is Goal.NOT_WORSE else 0.0
        found.setdefault(primary.metric, loss)
    return found


def watch(plan: Plan, champion: Moments, candidate: Moments) -> dict[Metric, Watched]:
    """Return each metric of the plan at this look."""
    losses = limits(plan)
    return {
        metric: _watched(plan, metric, loss, champion, candidate)
        for metric, loss in losses.items()
    }


def _watched(
    plan: Plan, metric: Metric, loss: float, champion: Moments, candidate: Moments
) -> Watched:
    found = pair(metric, champion, candidate)
    if found is None:
        nothing = no_values(metric, champion, candidate)
        return Watched(comparison=nothing, limit=loss, harmful=False, within=False)
    level = plan.alpha / len(limits(plan))
    most = confidence_sequences.multiplier(champion.users + candidate.users, level)
    if found.sign < 0 and _is_rare(metric, champion, candidate):
        # Rare events prevent a promotion only at the end, so at the level of one look.
        within = min(champion.users, candidate.users) >= MIN_USERS and (
            rare_events.chance(metric, champion, candidate, loss) > plan.alpha
        )
    else:
        within = found.contributors > 0 and found.z(-loss) >= 0
    return Watched(
        comparison=_compared(found, most),
        limit=loss,
        harmful=found.enough and found.z(-loss) < -most,
        within=within,
    )


def _is_rare(metric: Metric, champion: Moments, candidate: Moments) -> bool:
    """Return whether there are too few events for the value to be informative.

    Events are counted, not users: one user with a thousand fallbacks must not make those of a
    hundred others rare.
    """
    name = DEFINITIONS[metric].numerator
    least, users = min(champion.users, candidate.users), champion.users + candidate.users
    events = champion.sums[name] + candidate.sums[name]
    return events * least < MIN_CONTRIBUTORS * users


def _compared(found: Pair, most: float) -> Comparison:
    """Return the comparison, without an interval below the least number of users."""
    compared = found.compared(most, always_valid=True)
    if found.enough:
        return compared
    return dataclasses.replace(compared, low=None, high=None)
