"""The spec of a `RecommenderModel`: what a team asks for.

Every field has a description, because the CRD is generated from here (`api/crd.py`) and
`kubectl explain recommendermodel.spec` is the reference that people read. Rules between fields are
CEL rules in `api/crd.py`, so that the API server refuses what makes no sense.
"""

from __future__ import annotations

import enum
from typing import Literal

from pydantic import Field

from recommender_operator.api.base import ApiModel

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
RELATIVE_PATH = r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$"
HOST_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|[KMGT]i?)?$"


class DataFormat(enum.StrEnum):
    MOVIELENS_100K = "MovieLens100K"
    PARQUET = "Parquet"
    CSV = "CSV"


class Algorithm(enum.StrEnum):
    DEEP_RANKER = "DeepRanker"
    LOGISTIC_REGRESSION = "LogisticRegression"


class Fault(enum.StrEnum):
    """Documented test hooks of the export, to rehearse a bad release."""

    LATENCY = "Latency"
    FAILURE = "Failure"
    NON_FINITE = "NonFinite"
    WRONG_SHAPE = "WrongShape"
    BROKEN_FEATURES = "BrokenFeatures"
    LEARNED_NOTHING = "LearnedNothing"


class TrafficMode(enum.StrEnum):
    GATEWAY = "Gateway"
    KNATIVE = "Knative"


class Provider(enum.StrEnum):
    POD_SCRAPE = "PodScrape"
    PROMETHEUS = "Prometheus"


class GateMetric(enum.StrEnum):
    AUC = "auc"
    LOG_LOSS = "logLoss"
    PRECISION_AT_10 = "precisionAt10"
    NDCG_AT_10 = "ndcgAt10"
    CALIBRATION_ERROR = "calibrationError"
    WORST_SEGMENT_AUC = "worstSegmentAuc"
    AUC_MINUS_BASELINE = "aucMinusBaseline"


#: Metrics where less is better; for all others more is better.
LOWER_IS_BETTER = frozenset({GateMetric.LOG_LOSS, GateMetric.CALIBRATION_ERROR})


class DataSource(ApiModel):
    claim_name: str = Field(
        description="PersistentVolumeClaim that holds the raw data.", max_length=253
    )
    path: str = Field(
        default="data",
        description="Folder inside the claim, relative to its root.",
        pattern=RELATIVE_PATH,
        max_length=512,
    )
    format: DataFormat = Field(
        default=DataFormat.MOVIELENS_100K, description="Layout of the raw files."
    )


class DataWindow(ApiModel):
    days: int | None = Field(
        default=None,
        ge=1,
        le=36500,
        description="Train on the last so many days up to the newest event; all rows if absent.",
    )


class DataSpec(ApiModel):
    source: DataSource = Field(description="Where the raw interactions, users and items are.")
    window: DataWindow = Field(default=DataWindow(), description="Rolling training window.")
    min_rows: int = Field(
        default=1000, ge=1, description="Fewer usable rows in the window fail the data check."
    )
    max_quarantined_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="A larger share of rows that break the schema fails the data check.",
    )


class Hyperparameters(ApiModel):
    embedding_dim: int = Field(default=32, ge=4, le=512, description="Width of the embeddings.")
    history_length: int = Field(
        default=20, ge=1, le=200, description="Last interactions that the attention sees."
    )
    epochs: int = Field(default=8, ge=1, le=1000, description="Most epochs to train.")
    patience: int = Field(
        default=2, ge=1, le=100, description="Epochs without a better validation loss to stop."
    )
    batch_size: int = Field(default=1024, ge=16, le=65536, description="Rows in a batch.")
    learning_rate: float = Field(default=0.003, gt=0, le=1, description="Adam's step size.")
    weight_decay: float = Field(default=1e-5, ge=0, le=1, description="Decoupled weight decay.")
    dropout: float = Field(default=0.2, ge=0, lt=1, description="Dropout of the ranker.")
    user_dropout: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of training rows whose user id is hidden, so that new users work.",
    )


class FaultInjection(ApiModel):
    fault: Fault = Field(description="The fault that the exported model carries.")
    latency_milliseconds: int = Field(
        default=500, ge=0, le=60000, description="Added to each answer by the fault Latency."
    )


class Resources(ApiModel):
    cpu: str = Field(default="250m", description="CPU request.", pattern=QUANTITY, max_length=20)
    memory: str = Field(
        default="1Gi", description="Memory request and limit.", pattern=QUANTITY, max_length=20
    )
    cpu_limit: str | None = Field(
        default=None, description="CPU limit; none if absent.", pattern=QUANTITY, max_length=20
    )


class TrainingResources(Resources):
    """A class of its own, so that setting one value leaves the other's default in place."""

    cpu: str = Field(default="500m", description="CPU request.", pattern=QUANTITY, max_length=20)
    memory: str = Field(
        default="3Gi", description="Memory request and limit.", pattern=QUANTITY, max_length=20
    )


class TritonResources(Resources):
    """Of the container that holds the models."""

    cpu: str = Field(default="250m", description="CPU request.", pattern=QUANTITY, max_length=20)
    memory: str = Field(
        default="2Gi", description="Memory request and limit.", pattern=QUANTITY, max_length=20
    )


class TransformerResources(Resources):
    """Of the container that answers the requests."""

    cpu: str = Field(default="250m", description="CPU request.", pattern=QUANTITY, max_length=20)


class TrainingSpec(ApiModel):
    algorithm: Algorithm = Field(
        default=Algorithm.DEEP_RANKER, description="The model that is trained to serve."
    )
    seed: int = Field(default=17, ge=0, le=2**31 - 1, description="Seed of every random choice.")
    hyperparameters: Hyperparameters = Field(
        default=Hyperparameters(), description="Settings of the deep ranker."
    )
    resources: TrainingResources = Field(
        default=TrainingResources(), description="Of the training pod."
    )
    backoff_limit: int = Field(
        default=2, ge=0, le=10, description="Failed pods before the training has failed."
    )
    deadline_seconds: int = Field(
        default=3600, ge=30, le=604800, description="Longest time for one Job of the pipeline."
    )
    fault_injection: FaultInjection | None = Field(
        default=None, description="Test hook: export a model with a known fault."
    )


class Gate(ApiModel):
    metric: GateMetric = Field(description="Offline metric on the untouched test window.")
    min: float | None = Field(default=None, description="Fails below this value.")
    max: float | None = Field(default=None, description="Fails above this value.")
    champion_margin: float | None = Field(
        default=None,
        ge=0,
        description="Fails when worse than the champion's value by more than this.",
    )


class EvaluationSpec(ApiModel):
    gates: tuple[Gate, ...] = Field(
        default=(Gate(metric=GateMetric.AUC, min=0.6),),
        min_length=1,
        max_length=20,
        description="All must hold before a version may be published.",
    )


class ServingSpec(ApiModel):
    host: str | None = Field(
        default=None,
        description="Host name of requests; <name>.<namespace>.<domain of the chart> if absent.",
        pattern=HOST_NAME,
        max_length=253,
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
        pattern=r"^https?://.+$",
        max_length=2048,
        description="Base address of the Prometheus server; needed by the provider Prometheus.",
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
    lock_after_rollbacks: int = Field(
        default=2,
        ge=1,
        le=20,
        description="Automatic rollbacks in a row after which a human must unlock (retry).",
    )


class HistorySpec(ApiModel):
    limit: int = Field(
        default=5, ge=1, le=50, description="Finished versions kept beside champion and previous."
    )


class DeletionPolicy(enum.StrEnum):
    RETAIN = "Retain"
    DELETE = "Delete"


class StorageSpec(ApiModel):
    claim_name: str = Field(
        description="PersistentVolumeClaim of the artifact store (tables and versions).",
        max_length=253,
    )


class RecommenderModelSpec(ApiModel):
    data: DataSpec = Field(description="The data and what it must hold.")
    storage: StorageSpec = Field(description="Where tables and artifacts are written.")
    training: TrainingSpec = Field(default=TrainingSpec(), description="How a version is made.")
    evaluation: EvaluationSpec = Field(
        default=EvaluationSpec(), description="Offline gates before publishing."
    )
    serving: ServingSpec = Field(default=ServingSpec(), description="How a version is served.")
    rollout: RolloutSpec = Field(default=RolloutSpec(), description="How traffic moves.")
    analysis: AnalysisSpec = Field(default=AnalysisSpec(), description="How each step is judged.")
    drift: DriftSpec = Field(default=DriftSpec(), description="How served data is watched.")
    retrain: RetrainSpec = Field(default=RetrainSpec(), description="When to train again.")
    history: HistorySpec = Field(default=HistorySpec(), description="What is kept.")
    deletion_policy: DeletionPolicy = Field(
        default=DeletionPolicy.RETAIN,
        description="Whether the artifacts go with the resource.",
    )
    paused: bool = Field(default=False, description="Freeze the lifecycle; traffic stays.")
    rollback_to: str | None = Field(
        default=None,
        pattern=DNS_LABEL,
        max_length=63,
        description="Pin this version as champion; nothing newer rolls out while it is set.",
    )


ConditionStatus = Literal["True", "False", "Unknown"]
