"""The gain of a recommender over its fallbacks: all other users compared with the holdout.

The measure lasts for months and is looked at at any time, so the intervals are those of
confidence sequences, two-sided and for all metrics together. It decides nothing.
"""

from __future__ import annotations

import dataclasses

from recommender_operator.experiments import confidence_sequences, sample_ratio
from recommender_operator.experiments.estimates import Comparison, no_values, pair
from recommender_operator.experiments.experiment_metrics import Metric
from recommender_operator.experiments.plan import Phase

METRICS = (Metric.CLICK_THROUGH_RATE, Metric.CONVERSION_RATE, Metric.REVENUE_PER_USER)
#: Probability that any interval is ever wrong.
ALPHA = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gains:
    """The comparisons, in which the champion is the holdout; none with a problem."""

    comparisons: tuple[Comparison, ...] = ()
    problem: str = ""


def holdout_gains(phase: Phase) -> Gains:
    """Return the gain of the others over the holdout, the champion of the phase.

    Without what users did before (CUPED): a measure that was started again with the same users
    would then subtract an effect of the holdout.
    """
    problem = sample_ratio.problem(phase)
    if problem:
        return Gains(problem=problem)
    held, others = phase.of(phase.champion), phase.of(phase.candidate)
    found = []
    for metric in METRICS:
        both = pair(metric, held, others, covariate=False)
        if both is None:
            found.append(no_values(metric, held, others))
            continue
        multiplier = confidence_sequences.multiplier(
            held.users + others.users, ALPHA / 2 / len(METRICS)
        )
        compared = both.compared(multiplier, always_valid=True)
        if not both.enough:
            compared = dataclasses.replace(compared, low=None, high=None)
        found.append(compared)
    return Gains(comparisons=tuple(found))
