"""The section rollout.experiment of the spec: how users decide between candidate and champion."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from recommender_contract.events import MAX_SEGMENTS
from recommender_contract.features import NAME
from recommender_contract.resource.base import ApiModel

#: Maximum number of primary metrics, and of guardrails.
MAX_METRICS = 5
#: Maximum number of features that divide the users, and of their segments by metric in a status.
MAX_COMPARED = 100
#: Maximum number of versions beside the champion and the candidate.
MAX_FURTHER = 3
#: Minimum relative difference: a smaller one takes more users than any site has. The rules of
#: rules_experiment.py test both minima, because an API server rounds `minimum` for whole numbers.
MIN_EFFECT = 0.001
MIN_BASELINE, MAX_BASELINE = 0.000001, 1e9
#: Maximum relative difference of a metric of which less is better; of others it is below 1,
#: because nobody can lose more than all.
MAX_EFFECT = 10


class ExperimentMetric(enum.StrEnum):
    """Ratios of sums over users (docs/experiment-metrics.md)."""

    CLICK_THROUGH_RATE = "ClickThroughRate"
    CONVERSION_RATE = "ConversionRate"
    REVENUE_PER_USER = "RevenuePerUser"
    REVENUE_PER_SESSION = "RevenuePerSession"
    PURCHASES_PER_USER = "PurchasesPerUser"
    DWELL_PER_SESSION = "DwellPerSession"
    DISLIKE_RATE = "DislikeRate"
    FALLBACK_SHARE = "FallbackShare"
    RETURN_RATE = "ReturnRate"
    ERROR_RATE = "ErrorRate"
    SLOW_SHARE = "SlowShare"
    GROUP_EXPOSURE = "GroupExposure"
    GROUP_EXCESS = "GroupExcess"


#: Metrics of which less is better; only these can get worse by more than the whole value.
LESS_IS_BETTER = (
    ExperimentMetric.DISLIKE_RATE,
    ExperimentMetric.FALLBACK_SHARE,
    ExperimentMetric.ERROR_RATE,
    ExperimentMetric.SLOW_SHARE,
    ExperimentMetric.GROUP_EXCESS,
)
#: Metrics of how requests are served, and of the items of a group.
OF_REQUESTS = (ExperimentMetric.ERROR_RATE, ExperimentMetric.SLOW_SHARE)
OF_GROUP = (ExperimentMetric.GROUP_EXPOSURE, ExperimentMetric.GROUP_EXCESS)


class Goal(enum.StrEnum):
    """SUPERIOR: a primary metric is better and none is worse. NOT_WORSE: none is worse by more
    than its smallest effect."""

    SUPERIOR = "Superior"
    NOT_WORSE = "NotWorse"


class ExperimentMode(enum.StrEnum):
    DECIDE = "Decide"
    OBSERVE = "Observe"


class PrimaryMetric(ApiModel):
    metric: ExperimentMetric = Field(description="What users do, as a ratio of sums over users.")
    smallest_effect: float = Field(
        gt=0,
        le=MAX_EFFECT,
        description="Smallest relative difference that matters: 0.05 is 5 % of the champion's "
        "value. The number of users follows from it; with goal NotWorse it is the margin. From "
        "0.001 to below 1, or to 10 for metrics of which less is better: DislikeRate, "
        "FallbackShare, ErrorRate, SlowShare and GroupExcess.",
    )
    baseline: float | None = Field(
        default=None,
        gt=0,
        le=MAX_BASELINE,
        description="Expected value of the champion, for the number of users before there are "
        "data; the champion's own value if absent. At least 0.000001.",
    )


class Guardrail(ApiModel):
    metric: ExperimentMetric = Field(description="What must not become worse.")
    largest_loss: float = Field(
        gt=0,
        le=MAX_EFFECT,
        description="Largest relative loss that is accepted: 0.1 is 10 % of the champion's value. "
        "A loss beyond it, outside chance, rolls back at any time. From 0.001 to below 1; to 10 "
        "for metrics of which less is better.",
    )


class ExperimentSegments(ApiModel):
    feature: str = Field(
        max_length=40,
        pattern=r"^[a-z][a-z0-9_]{0,39}$",
        description="Name of a feature of users or of the context, such as device, but of no "
        "MultiCategorical or Embedding. A user belongs to the segment of the value in the user's "
        "first request, or to unknown if that request has no value. Numbers and times divide "
        "users by the bands of the version that receives the requests, at most nine: those of its "
        "edges, or some of them joined.",
    )
    largest_loss: float | None = Field(
        default=None,
        gt=0,
        le=MAX_EFFECT,
        description="Largest relative loss of a segment in a primary metric that allows "
        "promotion: 0.1 is 10 % of the champion's value. No limit if absent. From 0.001 to below "
        "1, or to 10 if less is better in all primary metrics.",
    )


class ItemGroup(ApiModel):
    feature: str = Field(
        pattern=NAME,
        max_length=40,
        description="Declared feature of the items, with categories.",
    )
    categories: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        min_length=1,
        max_length=20,
        description="The group: items with one of these categories. Together at most 200 "
        "characters.",
    )


class ExperimentArm(ApiModel):
    version: str = Field(
        max_length=63,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?-[0-9a-f]{8}$",
        description="Name of a ModelVersion of this model that has ended and can be rolled back "
        "to: it passed its gates, and its artifact is there.",
    )


class ExperimentSpec(ApiModel):
    weight: int = Field(
        default=50,
        ge=1,
        le=99,
        description="Percent of the users that the candidate has while it is measured. The steps "
        "of rollout.steps below it are the ramp; it is a step itself, whether listed or not.",
    )
    primary: tuple[PrimaryMetric, ...] = Field(
        min_length=1,
        max_length=MAX_METRICS,
        description="Metrics that decide, once enough users were measured for minDays.",
    )
    arms: tuple[ExperimentArm, ...] = Field(
        default=(),
        max_length=MAX_FURTHER,
        description="Further versions of this model, which are compared with the champion too. "
        "Each is deployed for the rollout, and has as many users as the candidate: weight times "
        "one more than their number must be at most 99. The result decides on the candidate only.",
    )
    goal: Goal = Field(
        default=Goal.SUPERIOR,
        description="Superior: at least one primary metric is better, and none is worse. "
        "NotWorse: none is worse by more than its smallestEffect.",
    )
    guardrails: tuple[Guardrail, ...] = Field(
        default=(),
        max_length=MAX_METRICS,
        description="Metrics that may end the experiment at any time, and never promote.",
    )
    segments: tuple[ExperimentSegments, ...] = Field(
        default=(),
        max_length=MAX_SEGMENTS,
        description="Features by which the primary metrics are also reported. Without any, "
        "the first three of the mapping that have segments and are Categorical or Boolean, those "
        "of interactions before those of users. The first ten values of each "
        "feature have a segment each, and all other values share one.",
    )
    alpha: float = Field(
        default=0.05,
        gt=0,
        le=0.2,
        description="Probability of a wrong decision if nothing differs, for all primary metrics "
        "and all arms together; and again, in each phase (each step of the ramp is one), of a "
        "rollback for harm in any metric.",
    )
    power: float = Field(
        default=0.8,
        ge=0.5,
        le=0.99,
        description="Probability of finding a difference of smallestEffect.",
    )
    min_days: float = Field(
        default=7,
        ge=0,
        le=60,
        description="Minimum measured time at the weight, in days; whole weeks cover every "
        "weekday.",
    )
    max_days: float = Field(
        default=28,
        gt=0,
        le=60,
        description="Measured time at the weight after which rollout.analysis.onDeadline applies, "
        "in days.",
    )
    revenue_cap: float = Field(
        default=1000,
        gt=0,
        le=1e9,
        description="Maximum revenue of one user that counts, so that one user cannot decide.",
    )
    slower_than_milliseconds: int = Field(
        default=200,
        ge=1,
        le=60000,
        description="For SlowShare: a request that takes longer in the transformer is slow.",
    )
    item_group: ItemGroup | None = Field(
        default=None,
        description="For GroupExposure and GroupExcess, which require it: the items whose share "
        "of what users are shown is compared.",
    )
    mode: ExperimentMode = Field(
        default=ExperimentMode.DECIDE,
        description="Decide: the result promotes or rolls back. Observe: it is only reported, and "
        "the candidate keeps the weight until a person promotes or aborts it. The limits of "
        "rollout.analysis apply in both.",
    )

    @property
    def metrics(self) -> frozenset[ExperimentMetric]:
        """The primary metrics and those of the guardrails."""
        return frozenset(
            [each.metric for each in self.primary] + [each.metric for each in self.guardrails]
        )

    @property
    def watches_requests(self) -> bool:
        """Whether the serving path has to report how requests are served."""
        return not self.metrics.isdisjoint(OF_REQUESTS)

    @property
    def watched_group(self) -> ItemGroup | None:
        """The group whose items the serving path has to report; None if no metric is of one."""
        return None if self.metrics.isdisjoint(OF_GROUP) else self.item_group
