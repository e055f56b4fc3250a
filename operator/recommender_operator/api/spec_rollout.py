"""The section rollout of the spec."""

from __future__ import annotations

import enum

from pydantic import Field

from recommender_contract.resource.base import ApiModel
from recommender_operator.api import base_url
from recommender_operator.api.spec_experiment import ExperimentSpec


class TrafficMode(enum.StrEnum):
    GATEWAY = "Gateway"
    KNATIVE = "Knative"


class Provider(enum.StrEnum):
    POD_SCRAPE = "PodScrape"
    PROMETHEUS = "Prometheus"


class Step(ApiModel):
    weight: int = Field(ge=1, le=100, description="Percent of requests for the candidate.")


class PromotionGate(enum.StrEnum):
    AUTO = "Auto"
    MANUAL = "Manual"


class ShadowSpec(ApiModel):
    share: float = Field(
        default=0.1,
        ge=0.0001,
        le=1,
        description="Share of the users' requests that the candidate gets a copy of.",
    )
    min_requests: int = Field(
        default=100,
        ge=1,
        le=1000000,
        description="Number of copies that the candidate answers within its limits before its "
        "first step.",
    )
    seconds: int = Field(
        default=600,
        ge=1,
        le=604800,
        description="Maximum duration of the phase. If it ends without a verdict, the first step "
        "follows.",
    )


class InterleavingSpec(ApiModel):
    percent: int = Field(
        default=10,
        ge=1,
        le=20,
        description="Percent of the users whose lists mix items of champion and candidate.",
    )
    users: int = Field(
        default=1000,
        ge=100,
        le=1000000,
        description="Number of users with a click after which a candidate that is not worse goes "
        "on to its first step. One that is clearly preferred does so before.",
    )
    alpha: float = Field(
        default=0.05,
        gt=0,
        le=0.2,
        description="Probability, over all looks, that a candidate whom users like as much as the "
        "champion is rolled back.",
    )
    seconds: int = Field(
        default=259200,
        ge=60,
        le=2592000,
        description="Maximum duration. If it ends without an answer, the first step follows.",
    )


class OnDeadline(enum.StrEnum):
    HOLD = "Hold"
    ROLL_BACK = "RollBack"


class Thresholds(ApiModel):
    min_success_rate: float = Field(
        default=0.99, ge=0, le=1, description="Minimum share of requests without an error."
    )
    max_fallback_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Maximum share of answers from the baseline or the popularity list.",
    )
    max_anomaly_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Maximum share of model answers with non-finite scores, a wrong shape or no "
        "item.",
    )
    max_latency_p99_milliseconds: float = Field(
        default=500, gt=0, description="Maximum 99th percentile of the latency."
    )
    max_latency_ratio: float = Field(
        default=3.0,
        gt=0,
        description="Maximum ratio of the candidate's median latency to the stable version's.",
    )
    max_missing_increase: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Maximum difference between the candidate's and the stable version's share "
        "of sessions in which a feature is null or unknown (0..1).",
    )


class AnalysisSpec(ApiModel):
    provider: Provider = Field(
        default=Provider.POD_SCRAPE,
        description="Source of the metrics. PodScrape reads them from the pods; Prometheus "
        "queries a server.",
    )
    prometheus_url: str | None = Field(
        default=None,
        max_length=base_url.MAX_LENGTH,
        description="Base URL of the Prometheus server, one of the chart's "
        "analysis.prometheusUrls. Required by the provider Prometheus.",
    )
    interval_seconds: int = Field(
        default=10, ge=1, le=3600, description="Time between two evaluations."
    )
    step_seconds: int = Field(
        default=60, ge=1, le=604800, description="Minimum duration of a step."
    )
    min_requests: int = Field(
        default=100,
        ge=1,
        description="Minimum number of the candidate's requests for a Pass; with fewer the "
        "verdict is Inconclusive.",
    )
    deadline_seconds: int = Field(
        default=1800,
        ge=1,
        le=2592000,
        description="Maximum time that a step may stay Inconclusive; then onDeadline applies.",
    )
    on_deadline: OnDeadline = Field(
        default=OnDeadline.HOLD,
        description="What to do at the deadline: keep the weight (Hold) or roll back (RollBack).",
    )
    max_interruptions: int = Field(
        default=3,
        ge=0,
        le=100,
        description="Maximum number of container restarts of the candidate in a rollout, and of "
        "withdrawals of its traffic because it was not ready; one more rolls it back. Evictions "
        "and node drains do not count.",
    )
    thresholds: Thresholds = Field(
        default=Thresholds(), description="Limits that each step must meet."
    )


class RolloutSpec(ApiModel):
    traffic: TrafficMode = Field(
        default=TrafficMode.GATEWAY,
        description="Gateway: an HTTPRoute over one InferenceService per version. Knative: one "
        "InferenceService with canaryTrafficPercent.",
    )
    steps: tuple[Step, ...] = Field(
        default=(Step(weight=10), Step(weight=50), Step(weight=100)),
        min_length=1,
        max_length=20,
        description="Weights of the candidate, strictly increasing; the last one must be 100.",
    )
    promotion: PromotionGate = Field(
        default=PromotionGate.AUTO,
        description="Auto promotes after the last step; Manual waits for the annotation "
        "recommender.dev/promote.",
    )
    test_header: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]+$",
        max_length=64,
        description="During a rollout, requests with the header x-recommender-test and this value "
        "(at least 16 characters) are answered by the candidate alone. They are no part of an "
        "experiment, and count in the analysis of the steps. None if absent.",
    )
    shadow: ShadowSpec | None = Field(
        default=None,
        description="A phase before the first step in which the candidate answers copies of "
        "users' requests, and its answers are thrown away. A broken limit rolls it back before "
        "any user saw an answer. No phase if absent.",
    )
    interleaving: InterleavingSpec | None = Field(
        default=None,
        description="A phase before the first step in which some users get lists that mix items "
        "of champion and candidate, and their clicks say which version they prefer. A candidate "
        "that is clearly worse is rolled back. It needs the collector and serving.impressions 1. "
        "No phase if absent.",
    )
    fresh_champion: bool = Field(
        default=False,
        description="During a rollout a second, new deployment of the champion gets as many "
        "requests as the candidate, but at most half of the champion's, and the steps compare the "
        "candidate with it instead of with pods that have been warm for long. It costs one more "
        "deployment.",
    )
    analysis: AnalysisSpec = Field(
        default=AnalysisSpec(), description="How each step is evaluated."
    )
    experiment: ExperimentSpec | None = Field(
        default=None,
        description="Let users decide: each user keeps one version, and what users do promotes a "
        "candidate or rolls it back. None if absent: the steps only test errors and latency.",
    )

    @property
    def has_fresh_champion(self) -> bool:
        """Whether a rollout has a fresh champion; only a route of ours has a third arm."""
        return self.fresh_champion and self.traffic is TrafficMode.GATEWAY
