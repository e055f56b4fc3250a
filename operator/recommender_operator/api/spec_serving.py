"""How a version meets its users: the sections serving, rollout, analysis, drift and retrain."""

from __future__ import annotations

import enum

from pydantic import Field

from recommender_operator.api import base_url, host_names
from recommender_operator.api.base import ApiModel
from recommender_operator.api.spec_resources import TransformerResources, TritonResources


class TrafficMode(enum.StrEnum):
    GATEWAY = "Gateway"
    KNATIVE = "Knative"


class Provider(enum.StrEnum):
    POD_SCRAPE = "PodScrape"
    PROMETHEUS = "Prometheus"


class ServingSpec(ApiModel):
    host: str | None = Field(
        default=None,
        description="Host name of requests, below a suffix that the platform team allows for the "
        "namespace (the chart's gateway.allowedHosts) and held by no other route; "
        "<name>.<namespace>.<domain of the chart> if absent.",
        max_length=host_names.MAX_LENGTH,
    )
    replicas: int = Field(default=1, ge=1, le=100, description="Pods of each warm version.")
    timeout_milliseconds: int = Field(
        default=200,
        ge=5,
        le=10000,
        description="A model that takes longer is answered for by the baseline.",
    )
    resources: TritonResources = Field(
        default=TritonResources(), description="Of the Triton container."
    )
    transformer_resources: TransformerResources = Field(
        default=TransformerResources(), description="Of the transformer container."
    )
    keep_previous: bool = Field(
        default=True, description="Keep the previous champion warm for an instant rollbackTo."
    )
    ready_deadline_seconds: int = Field(
        default=600, ge=10, le=86400, description="A version not ready by then is rolled back."
    )


class Step(ApiModel):
    weight: int = Field(ge=1, le=100, description="Percent of requests for the candidate.")


class PromotionGate(enum.StrEnum):
    AUTO = "Auto"
    MANUAL = "Manual"


class RolloutSpec(ApiModel):
    traffic: TrafficMode = Field(
        default=TrafficMode.GATEWAY,
        description="Gateway: an HTTPRoute over one InferenceService per version. "
        "Knative: one InferenceService and its canaryTrafficPercent.",
    )
    steps: tuple[Step, ...] = Field(
        default=(Step(weight=10), Step(weight=50), Step(weight=100)),
        min_length=1,
        max_length=20,
        description="Weights of the candidate, strictly increasing, the last one 100.",
    )
    promotion: PromotionGate = Field(
        default=PromotionGate.AUTO,
        description="Manual waits after the last step for the annotation recommender.dev/promote.",
    )


class OnDeadline(enum.StrEnum):
    HOLD = "Hold"
    ROLL_BACK = "RollBack"


class Thresholds(ApiModel):
    min_success_rate: float = Field(
        default=0.99, ge=0, le=1, description="Least share of requests without an error."
    )
    max_fallback_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Most answers given by the baseline or the popularity list.",
    )
    max_anomaly_share: float = Field(
        default=0.01, ge=0, le=1, description="Most answers with non-finite scores or no item."
    )
    max_latency_p99_milliseconds: float = Field(
        default=500, gt=0, description="Highest 99th percentile of the latency."
    )
    max_latency_ratio: float = Field(
        default=3.0,
        gt=0,
        description="Highest ratio of the candidate's median latency to the stable version's.",
    )
    max_missing_increase: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Most by which the share of sessions with a null or unknown value of a "
        "feature may exceed the stable version's (0..1).",
    )


class AnalysisSpec(ApiModel):
    provider: Provider = Field(
        default=Provider.POD_SCRAPE,
        description="PodScrape reads the pods itself; Prometheus queries a server.",
    )
    prometheus_url: str | None = Field(
        default=None,
        max_length=base_url.MAX_LENGTH,
        description="Base address of the Prometheus server, one of those that the platform team "
        "allows (the chart's analysis.prometheusUrls); needed by the provider Prometheus.",
    )
    interval_seconds: int = Field(default=10, ge=1, le=3600, description="Time between looks.")
    step_seconds: int = Field(
        default=60, ge=1, le=604800, description="Least time that a step is watched."
    )
    min_requests: int = Field(
        default=100, ge=1, description="Fewer requests of the candidate are Inconclusive."
    )
    deadline_seconds: int = Field(
        default=1800, ge=1, le=2592000, description="A step Inconclusive for so long ends."
    )
    on_deadline: OnDeadline = Field(
        default=OnDeadline.HOLD, description="What ends it: hold the weight or roll back."
    )
    max_interruptions: int = Field(
        default=3,
        ge=0,
        le=100,
        description="Restarts of the candidate's containers in a rollout, or times its requests "
        "were taken away because it was not ready; one more rolls it back. Evictions and drains "
        "of nodes do not count.",
    )
    thresholds: Thresholds = Field(default=Thresholds(), description="What each step must hold.")


class DriftSpec(ApiModel):
    enabled: bool = Field(default=True, description="Watch the served sessions for drift.")
    window_sessions: int = Field(
        default=500, ge=20, le=1000000, description="Sessions in a window; fewer: Inconclusive."
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
        default=3, ge=1, le=20, description="Windows in a row before the operator acts."
    )
    cooldown_seconds: int = Field(
        default=86400, ge=0, le=2592000, description="Least time between two reactions."
    )


class RetrainSpec(ApiModel):
    on_drift: bool = Field(default=True, description="Drift of both arms starts a retraining.")
    after_snapshots: int | None = Field(
        default=None,
        ge=1,
        le=10000,
        description="So many snapshots with new rows since the last one start a retraining "
        "(data.snapshots); none does if absent.",
    )
    lock_after_rollbacks: int = Field(
        default=2,
        ge=1,
        le=20,
        description="Automatic rollbacks in a row after which a human must unlock (retry).",
    )
