"""The metrics of experiments: each is a ratio of two sums over users."""

from __future__ import annotations

import dataclasses
from typing import TypeAlias

from recommender_operator.api.spec_experiment import ExperimentMetric

#: The names of `spec.rollout.experiment`.
Metric: TypeAlias = ExperimentMetric


@dataclasses.dataclass(frozen=True)
class Definition:
    """`denominator` None: the number of users."""

    numerator: str
    denominator: str | None = None
    higher_is_better: bool = True

    @property
    def components(self) -> tuple[str, ...]:
        return (self.numerator, *([self.denominator] if self.denominator else []))


DEFINITIONS = {
    Metric.CLICK_THROUGH_RATE: Definition("clicks", "answers"),
    Metric.CONVERSION_RATE: Definition("converted"),
    Metric.REVENUE_PER_USER: Definition("revenue"),
    Metric.REVENUE_PER_SESSION: Definition("revenue", "sessions"),
    Metric.PURCHASES_PER_USER: Definition("purchases"),
    Metric.DWELL_PER_SESSION: Definition("dwell", "sessions"),
    Metric.DISLIKE_RATE: Definition("dislikes", "answers", higher_is_better=False),
    Metric.FALLBACK_SHARE: Definition("fallbacks", "answers", higher_is_better=False),
    Metric.RETURN_RATE: Definition("returned"),
    Metric.ERROR_RATE: Definition("errors", "requests", higher_is_better=False),
    Metric.SLOW_SHARE: Definition("slow", "requests", higher_is_better=False),
    Metric.GROUP_EXPOSURE: Definition("grouped", "shown"),
    Metric.GROUP_EXCESS: Definition("grouped", "shown", higher_is_better=False),
}
