"""How a version is made: the sections data and training of the spec."""

from __future__ import annotations

import enum

from pydantic import AwareDatetime, Field

from recommender_operator.api.base import ApiModel
from recommender_operator.api.spec_checks import DataChecks
from recommender_operator.api.spec_export import ExportSpec
from recommender_operator.api.spec_mapping import DataMapping
from recommender_operator.api.spec_mitigation import MitigationSpec
from recommender_operator.api.spec_resources import TrainingResources
from recommender_operator.api.spec_search import SearchSpec
from recommender_operator.api.spec_snapshots import DATA_VERSION, DataSnapshots

RELATIVE_PATH = r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$"


class DataFormat(enum.StrEnum):
    MOVIELENS_100K = "MovieLens100K"
    PARQUET = "Parquet"
    CSV = "CSV"
    JSON_LINES = "JSONLines"
    DELTA = "Delta"


class Algorithm(enum.StrEnum):
    DEEP_RANKER = "DeepRanker"
    LOGISTIC_REGRESSION = "LogisticRegression"


class Precision(enum.StrEnum):
    FLOAT32 = "Float32"
    BFLOAT16 = "BFloat16"


class FeatureGroup(enum.StrEnum):
    """Numbers that the deep ranker reads beside those that it always reads."""

    DEMOGRAPHIC_RATES = "DemographicRates"
    ROLLING_POPULARITY = "RollingPopularity"
    CALENDAR = "Calendar"


class Retrieval(enum.StrEnum):
    WEIGHTS = "Weights"
    TWO_TOWER = "TwoTower"
    BOTH = "Both"


class RetrievalLoss(enum.StrEnum):
    SAMPLED_SOFTMAX = "SampledSoftmax"
    FULL_SOFTMAX = "FullSoftmax"


class Fault(enum.StrEnum):
    """Documented test hooks of the export, to rehearse a bad release."""

    LATENCY = "Latency"
    FAILURE = "Failure"
    NON_FINITE = "NonFinite"
    WRONG_SHAPE = "WrongShape"
    BROKEN_FEATURES = "BrokenFeatures"
    LEARNED_NOTHING = "LearnedNothing"


class DataSource(ApiModel):
    claim_name: str = Field(
        description="PersistentVolumeClaim that holds the raw data.", max_length=253
    )
    path: str = Field(
        default="data",
        description="Folder inside the claim, relative to its root; the claim is mounted "
        "read-only. In the claim of the store it may not lie in lake, staging or artifacts.",
        pattern=RELATIVE_PATH,
        max_length=512,
    )
    format: DataFormat = Field(
        default=DataFormat.MOVIELENS_100K,
        description="Layout of the raw files; all but MovieLens100K need a mapping. With Delta, "
        "files of the mapping names folders of Delta tables, such as those of an event "
        "collector; each check reads the data files that are new in their newest version.",
    )
    mapping: DataMapping | None = Field(
        default=None, description="Which column of which files is what."
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
    checks: DataChecks = Field(
        default=DataChecks(),
        description="What the data are held against: the data of the version in place.",
    )
    snapshots: DataSnapshots | None = Field(
        default=None,
        description="Take snapshots of the data on a schedule; if absent, data are taken in when "
        "a version is made, and then alone. No part of what makes a version.",
    )
    version: str | None = Field(
        default=None,
        pattern=DATA_VERSION,
        max_length=253,
        description="Train on this data version, which an earlier check or snapshot named, and "
        "read no source.",
    )
    as_of: AwareDatetime | None = Field(
        default=None,
        description="Train on the newest snapshot that is not younger than this time, and read "
        "no source.",
    )

    @property
    def pinned(self) -> str:
        """The field that pins the data to the past, with its value; empty if none does."""
        if self.version is not None:
            return f"data.version ({self.version})"
        return f"data.asOf ({self.as_of.isoformat()})" if self.as_of is not None else ""


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
    precision: Precision = Field(
        default=Precision.FLOAT32,
        description="Of the products of matrices in training; the exported model is Float32.",
    )
    features: tuple[FeatureGroup, ...] = Field(
        default=(FeatureGroup.DEMOGRAPHIC_RATES,),
        max_length=3,
        description="Numbers that the ranker reads beside those that it always reads.",
    )
    retrieval: Retrieval = Field(
        default=Retrieval.BOTH,
        description="What orders a list beside response and popularity: item-to-item weights, "
        "a two-tower model, or the sum of both. Weights alone make a training shorter.",
    )
    retrieval_loss: RetrievalLoss = Field(
        default=RetrievalLoss.SAMPLED_SOFTMAX,
        description="Of the two towers: a softmax over the items of the batch with logQ "
        "correction, or over the whole catalogue.",
    )


class WarmMode(enum.StrEnum):
    ALL_WEIGHTS = "AllWeights"
    ITEM_EMBEDDINGS = "ItemEmbeddings"


class WarmStart(ApiModel):
    mode: WarmMode = Field(
        default=WarmMode.ALL_WEIGHTS,
        description="What the training may change: all weights, or the embeddings of the items "
        "alone.",
    )


class FaultInjection(ApiModel):
    fault: Fault = Field(description="The fault that the exported model carries.")
    latency_milliseconds: int = Field(
        default=500, ge=0, le=60000, description="Added to each answer by the fault Latency."
    )


class TrainingSpec(ApiModel):
    algorithm: Algorithm = Field(
        default=Algorithm.DEEP_RANKER, description="The model that is trained to serve."
    )
    seed: int = Field(default=17, ge=0, le=2**31 - 1, description="Seed of every random choice.")
    hyperparameters: Hyperparameters = Field(
        default=Hyperparameters(), description="Settings of the deep ranker."
    )
    search: SearchSpec | None = Field(
        default=None,
        description="Search hyperparameters before the training; none is searched if absent.",
    )
    mitigation: MitigationSpec | None = Field(
        default=None, description="What is done about unfair answers; nothing if absent."
    )
    export: ExportSpec = Field(
        default=ExportSpec(), description="What is exported, and which form of it serves."
    )
    warm_start: WarmStart | None = Field(
        default=None,
        description="Start the deep ranker from the weights of the version in place, where they "
        "fit; from fresh ones if absent.",
    )
    resources: TrainingResources = Field(
        default=TrainingResources(), description="Of each training pod."
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=16,
        description="Pods that train one version together, each with the resources. More than "
        "one needs Kubeflow Trainer v2 and JobSet in the cluster, and an artifact store that the "
        "nodes of all of them can mount.",
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
