"""What an experiment is to decide, and what was measured: the input of `decision.decide`.

The content of `spec.experiment`, without any framework.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

from recommender_operator.experiments.metrics import Metric
from recommender_operator.experiments.moments import NONE, Moments


class Goal(enum.StrEnum):
    """SUPERIOR: a primary metric is better and none is worse. NOT_WORSE: none is worse by more
    than its smallest effect."""

    SUPERIOR = "Superior"
    NOT_WORSE = "NotWorse"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Primary:
    """`smallest_effect`: relative, 0.05 is 5 %. `baseline`: value of the champion to plan with."""

    metric: Metric
    smallest_effect: float
    baseline: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guardrail:
    """`largest_loss`: relative, 0.1 is 10 % worse than the champion."""

    metric: Metric
    largest_loss: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """`weight`: percent of the users that the candidate has while it is measured.

    Phases with less are the ramp: they can end in a rollback, but in no other verdict.
    """

    primary: tuple[Primary, ...]
    guardrails: tuple[Guardrail, ...] = ()
    goal: Goal = Goal.SUPERIOR
    weight: float = 50.0
    alpha: float = 0.05
    power: float = 0.8
    min_days: float = 7.0
    max_days: float = 28.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Phase:
    """A time in which the ranges of buckets were constant.

    `weights` are the shares of users by arm (any scale), the champion's included; `mixed` are the
    users seen in two arms, `disagreed` the answers by another version than the assigned one.
    """

    number: int
    weights: Mapping[str, float]
    champion: str
    candidate: str
    arms: Mapping[str, Moments]
    mixed: int = 0
    disagreed: int = 0

    def of(self, arm: str) -> Moments:
        """Return the moments of an arm; without users if it has none yet."""
        return self.arms.get(arm, NONE)
