"""Requests and shown items of simulated users, added up to moments at each day's end.

Users differ: how many requests they send is log-normal, so a few send most of them; the requests
of active users are slower; for some users most requests fail, or show the group of items.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from recommender_operator.experiments.experiment_metrics import Metric
from recommender_operator.experiments.plan import Guardrail, Plan, Primary
from tests.benchmarks.experiment_users import Floats

#: Components that are drawn, alphabetically.
DRAWN = ("errors", "grouped", "requests", "shown", "slow")
#: Most requests of a user on a day: below the limit of the collector in all days together.
MOST_A_DAY = 30.0
#: Items of an answer.
ITEMS = 10
#: By metric, the smallest relative difference that matters, and its direction.
EFFECTS = {Metric.ERROR_RATE: 0.6, Metric.SLOW_SHARE: 0.25, Metric.GROUP_EXPOSURE: 0.15}

#: All three lose exactly what they may.
LOSSES = {Metric.ERROR_RATE: 0.5, Metric.SLOW_SHARE: 0.25, Metric.GROUP_EXPOSURE: 0.15}
GUARDED = Plan(
    primary=(Primary(metric=Metric.ERROR_RATE, smallest_effect=0.6),),
    guardrails=tuple(Guardrail(metric=each, largest_loss=loss) for each, loss in LOSSES.items()),
    min_days=3.0,
    max_days=14.0,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Requests:
    """`arriving`: users of both arms who could come for the first time on a day."""

    days: int = 14
    arriving: int = 300
    share: float = 0.5
    a_day: float = 1.5
    slow: float = 0.1
    #: Of slow requests, those that fail.
    failed: float = 0.1
    group: float = 0.1


def experiments(
    world: Requests, runs: int, gains: dict[Metric, float], rng: np.random.Generator
) -> Floats:
    """Return sums of products, shaped runs x days x arm x vector x vector.

    The vector is (1, errors, grouped, requests, shown, slow); `gains` are the relative differences
    of the candidate's values.
    """
    size = len(DRAWN) + 1
    result = np.empty((runs, world.days, 2, size, size))
    for run in range(runs):
        result[run] = _one(world, gains, rng)
    return result


def _one(world: Requests, gains: dict[Metric, float], rng: np.random.Generator) -> Floats:
    """Draw one experiment.

    The gains are exactly those of the sums: nothing that weighs a user more in the numerator than
    in the denominator differs between the arms.
    """
    users = world.arriving * world.days
    candidate = rng.random(users) < world.share
    activity = np.minimum(MOST_A_DAY, rng.lognormal(np.log(world.a_day), 1.0, users))
    errors, slow, group = (
        np.where(candidate, 1 + gains.get(metric, 0.0), 1.0) for metric in EFFECTS
    )
    is_slow = _beta(rng, world.slow, 20, users) * (0.5 + activity / MOST_A_DAY)
    is_failed = _beta(rng, world.failed, 10, users)
    is_grouped = _beta(rng, world.group, 20, users)
    vector = np.zeros((users, len(DRAWN) + 1))
    result = np.empty((world.days, 2, vector.shape[1], vector.shape[1]))
    for day in range(world.days):
        here = slice(0, (day + 1) * world.arriving)
        requests = rng.poisson(activity[here])
        late = rng.binomial(requests, np.minimum(1.0, is_slow * slow)[here])
        # They are slow ones, so their part of these makes up for the gain of the latter.
        lost = rng.binomial(late, np.minimum(1.0, is_failed * errors / slow)[here])
        shown = ITEMS * (requests - lost)
        grouped = rng.binomial(shown, np.minimum(1.0, is_grouped * group)[here])
        vector[here, 1:] += np.stack([lost, grouped, requests, shown, late], axis=1)
        vector[here, 0] = 1
        for arm, own in enumerate((~candidate[here], candidate[here])):
            seen = vector[here][own & (vector[here, 3] > 0)]
            result[day, arm] = seen.T @ seen
    return result


def _beta(rng: np.random.Generator, mean: float, size: float, users: int) -> Floats:
    """Draw probabilities around a mean; the smaller the `size`, the more users differ."""
    return rng.beta(mean * size, (1 - mean) * size, users)
