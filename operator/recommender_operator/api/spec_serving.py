"""The sections serving, rollout, analysis, drift and retrain of the spec."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from recommender_operator.api import base_url, host_names
from recommender_operator.api.base import ApiModel
from recommender_operator.api.spec_autoscaling import AutoscalingSpec
from recommender_operator.api.spec_features import NAME
from recommender_operator.api.spec_resources import TransformerResources, TritonResources
from recommender_operator.api.spec_scheduling import Scheduling


class TrafficMode(enum.StrEnum):
    GATEWAY = "Gateway"
    KNATIVE = "Knative"


class Provider(enum.StrEnum):
    POD_SCRAPE = "PodScrape"
    PROMETHEUS = "Prometheus"


class Hide(enum.StrEnum):
    INTERACTED = "Interacted"
    BOUGHT = "Bought"
    DISLIKED = "Disliked"
    SEEN = "Seen"


class Diversity(ApiModel):
    feature: str = Field(
        pattern=NAME,
        max_length=40,
        description="Declared feature of the items, with categories.",
    )
    max_per_category: int = Field(
        ge=1,
        le=200,
        description="Maximum number of items in an answer with the same category. An item with "
        "several categories counts in each.",
    )


class ListExposure(ApiModel):
    feature: str = Field(
        pattern=NAME,
        max_length=40,
        description="Declared feature of the items, with categories.",
    )
    categories: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        min_length=1, max_length=50, description="The group: items with one of these categories."
    )
    min_share: float = Field(
        gt=0,
        le=0.9,
        description="Minimum share of the group in each answer: of the first k items, k times "
        "minShare, rounded down, are of the group.",
    )


class ServingSpec(ApiModel):
    host: str | None = Field(
        default=None,
        description="Host name for requests. It must end in a suffix that the chart's "
        "gateway.allowedHosts allows for the namespace, and no other route may use it. Default: "
        "<name>.<namespace>.<domain of the chart>.",
        max_length=host_names.MAX_LENGTH,
    )
    replicas: int = Field(
        default=2,
        ge=1,
        le=100,
        description="Number of Triton pods of each deployed version; in Knative mode, of its "
        "pods. A version serves with one pod less than this, if the cluster has no room.",
    )
    transformer_replicas: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Number of transformer pods of each deployed version, which answer the "
        "requests. Default: replicas. Not used in Knative mode, where a pod has both containers.",
    )
    timeout_milliseconds: int = Field(
        default=200,
        ge=5,
        le=10000,
        description="Timeout of the model; after it the baseline answers.",
    )
    resources: TritonResources = Field(
        default=TritonResources(), description="Resources of the Triton container."
    )
    transformer_resources: TransformerResources = Field(
        default=TransformerResources(), description="Resources of the transformer container."
    )
    autoscaling: AutoscalingSpec | None = Field(
        default=None,
        description="Adds pods to deployed versions under load; their number is fixed if absent.",
    )
    scheduling: Scheduling | None = Field(
        default=None,
        description="Where the serving pods run, and as whom. A change replaces the pods of the "
        "deployed versions one by one.",
    )
    keep_previous: bool = Field(
        default=True, description="Keep the previous champion deployed for an instant rollbackTo."
    )
    hide: tuple[Hide, ...] = Field(
        default=(Hide.INTERACTED, Hide.BOUGHT, Hide.DISLIKED),
        max_length=len(Hide),
        description="Items that answers leave out, as the collector's store knows the user. "
        "Interacted: of the newest 100 interactions. Bought and Disliked: by events. Seen: shown "
        "or opened. An empty list leaves out nothing but the items of the session.",
    )
    diversity: tuple[Diversity, ...] = Field(
        default=(),
        max_length=8,
        description="Limits of the number of similar items in an answer. If too few items are "
        "left, others follow: a limit never makes an answer shorter.",
    )
    exposure: tuple[ListExposure, ...] = Field(
        default=(),
        max_length=8,
        description="Groups of items that each answer shows, as far as the model ranks any. "
        "Diversity goes before exposure.",
    )
    impressions: float = Field(
        default=0,
        ge=0,
        le=1,
        description="Share of the answers that the transformer reports to the collector as "
        "impressions, chosen by a hash of the request id; 1 reports all, 0 none. For models in "
        "the namespace of the release, with the collector enabled in the chart.",
    )
    ready_deadline_seconds: int = Field(
        default=600,
        ge=10,
        le=86400,
        description="Time for a version to become ready; it is rolled back after that.",
    )


class Step(ApiModel):
    weight: int = Field(ge=1, le=100, description="Percent of requests for the candidate.")


class PromotionGate(enum.StrEnum):
    AUTO = "Auto"
    MANUAL = "Manual"


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


class DriftSpec(ApiModel):
    enabled: bool = Field(default=True, description="Monitor the served sessions for drift.")
    window_sessions: int = Field(
        default=500,
        ge=20,
        le=1000000,
        description="Sessions per window; with fewer the verdict is Inconclusive.",
    )
    alpha: float = Field(
        default=0.01, gt=0, le=0.2, description="Family-wise error rate of one window (Holm)."
    )
    effect_floor: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Smallest total variation distance (0..1) that counts as a shift.",
    )
    consecutive_windows: int = Field(
        default=3,
        ge=1,
        le=20,
        description="Number of shifted windows in a row before the operator acts.",
    )
    cooldown_seconds: int = Field(
        default=86400, ge=0, le=2592000, description="Minimum time between two reactions to drift."
    )


class RetrainSpec(ApiModel):
    on_drift: bool = Field(
        default=True,
        description="Start a retraining after confirmed drift.",
    )
    after_snapshots: int | None = Field(
        default=None,
        ge=1,
        le=10000,
        description="Start a retraining after this many snapshots with new rows since the last "
        "one (data.snapshots); never if absent.",
    )
    lock_after_rollbacks: int = Field(
        default=2,
        ge=1,
        le=20,
        description="Number of automatic rollbacks in a row that locks the model until the "
        "annotation recommender.dev/retry is set.",
    )
