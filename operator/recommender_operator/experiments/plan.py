"""The question of an experiment and its measurements: the input of `decision.decide`.

The content of `spec.rollout.experiment`, as plain values.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TypeAlias, TypeVar

from recommender_operator.api.spec_experiment import (
    MAX_BASELINE,
    MAX_EFFECT,
    MIN_BASELINE,
    MIN_EFFECT,
)
from recommender_operator.api.spec_experiment import Goal as Goal
from recommender_operator.experiments.arm_moments import NONE, Moments
from recommender_operator.experiments.experiment_metrics import DEFINITIONS, Metric


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


_Value = TypeVar("_Value")
#: Moments by feature, value and arm; the value None is all others.
Segments: TypeAlias = Mapping[str, Mapping[str | None, Mapping[str, Moments]]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """`weight`: percent of the users that the candidate has while it is measured.

    `segments`: features that divide the users, and the largest relative loss of a segment in a
    primary metric that a promotion accepts (None: any).

    `further`: versions that are compared with the champion beside the candidate, each with as
    many users as the candidate. Their number is that of the start: it is part of the level, and
    whether one is left out later may depend on what its users did.

    Phases with less are the ramp: they can end in a rollback, but in no other verdict.

    Raises:
        ValueError: no plan can be made of these values.
    """

    primary: tuple[Primary, ...]
    guardrails: tuple[Guardrail, ...] = ()
    goal: Goal = Goal.SUPERIOR
    weight: float = 50.0
    alpha: float = 0.05
    power: float = 0.8
    min_days: float = 7.0
    max_days: float = 28.0
    segments: Mapping[str, float | None] = dataclasses.field(default_factory=dict)
    further: int = 0

    @property
    def compared(self) -> int:
        """Number of versions that are compared with the champion."""
        return 1 + self.further

    def __post_init__(self) -> None:
        effects = [(each.metric, each.smallest_effect) for each in self.primary]
        effects += [(each.metric, each.largest_loss) for each in self.guardrails]
        if not self.primary or not all(_is_possible(*each) for each in effects):
            raise ValueError(
                f"a primary metric is needed, and effects from {MIN_EFFECT} to below 1 "
                f"({MAX_EFFECT:g} where less is better)"
            )
        for metrics in (self.primary, self.guardrails):
            if len({each.metric for each in metrics}) < len(metrics):
                raise ValueError("a metric is listed twice")
        given = [p.baseline for p in self.primary if p.baseline is not None]
        if not all(MIN_BASELINE <= baseline <= MAX_BASELINE for baseline in given):
            raise ValueError(f"a baseline must be from {MIN_BASELINE:g} to {MAX_BASELINE:g}")
        if not (0 < self.alpha < 0.5 <= self.power < 1 and 0 < self.weight <= 100):
            raise ValueError("alpha, power or weight is out of range")
        losses = [loss for loss in self.segments.values() if loss is not None]
        if not all(MIN_EFFECT <= loss <= MAX_EFFECT for loss in losses):
            raise ValueError("the largest loss of a segment is out of range")
        if not 0 <= self.min_days <= self.max_days < math.inf:
            raise ValueError("the days are out of range")
        if self.further < 0 or (self.further and self.compared * self.weight >= 100):
            raise ValueError("the champion has no users left")


def _is_possible(metric: Metric, effect: float) -> bool:
    """Return whether a value can change by this part of itself; nobody loses more than all."""
    if DEFINITIONS[metric].higher_is_better:
        return MIN_EFFECT <= effect < 1
    return MIN_EFFECT <= effect <= MAX_EFFECT


@dataclasses.dataclass(frozen=True, kw_only=True)
class Phase:
    """A time in which the ranges of buckets were constant.

    `weights` are the shares of users by arm (any scale), the champion's included; `mixed` are the
    users seen in two arms, `disagreed` the answers by another version than the assigned one.
    `days` are the moments of first and later days by arm, `segments` those of the users with a
    value of a feature (None: all other values), if the collector reported them.
    `further` are the other versions that are compared with the champion, without those that were
    withdrawn, whose users still count for the sample ratio.
    """

    number: int
    weights: Mapping[str, float]
    champion: str
    candidate: str
    arms: Mapping[str, Moments]
    mixed: int = 0
    disagreed: Mapping[str, int] = dataclasses.field(default_factory=dict)
    further: tuple[str, ...] = ()
    days: Mapping[str, Moments] = dataclasses.field(default_factory=dict)
    segments: Segments = dataclasses.field(default_factory=dict)
    #: Why the days, or the segments, cannot be read although the collector reported something.
    days_problem: str = ""
    segments_problem: str = ""

    @property
    def share(self) -> float:
        """The candidate's share of all users, 0 to 1."""
        total = math.fsum(self.weights.values())
        return self.weights.get(self.candidate, 0.0) / total if total > 0 else 0.0

    def of(self, arm: str) -> Moments:
        """Return the moments of an arm; without users if it has none yet."""
        return self.arms.get(arm, NONE)

    def beside(self, version: str) -> Phase:
        """Return the phase of the champion and one version alone, as if there were no other."""
        if set(self.weights) <= {self.champion, version}:
            return self
        pair = (self.champion, version)
        return dataclasses.replace(
            self,
            candidate=version,
            weights=_only(pair, self.weights),
            arms=_only(pair, self.arms),
            disagreed=_only(pair, self.disagreed),
            further=(),
            days=_only(pair, self.days),
            segments={
                feature: {value: _only(pair, arms) for value, arms in values.items()}
                for feature, values in self.segments.items()
            },
        )


def _only(names: tuple[str, ...], values: Mapping[str, _Value]) -> dict[str, _Value]:
    return {name: value for name, value in values.items() if name in names}
