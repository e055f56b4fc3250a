"""The sections data and training of the spec."""

from __future__ import annotations

import enum

from pydantic import AwareDatetime, Field

from recommender_operator.api.base import ApiModel
from recommender_operator.api.spec_checks import DataChecks
from recommender_operator.api.spec_export import ExportSpec
from recommender_operator.api.spec_features import NAME
from recommender_operator.api.spec_mapping import DataMapping
from recommender_operator.api.spec_mitigation import MitigationSpec
from recommender_operator.api.spec_resources import TrainingResources
from recommender_operator.api.spec_scheduling import Scheduling
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


class EmbeddingUpdates(enum.StrEnum):
    AUTO = "Auto"
    DENSE = "Dense"
    ROWS = "Rows"


class Precision(enum.StrEnum):
    AUTO = "Auto"
    FLOAT32 = "Float32"
    BFLOAT16 = "BFloat16"


class FeatureGroup(enum.StrEnum):
    """Optional groups of numeric features of the deep ranker."""

    DEMOGRAPHIC_RATES = "DemographicRates"
    ROLLING_POPULARITY = "RollingPopularity"
    CALENDAR = "Calendar"


class Retrieval(enum.StrEnum):
    WEIGHTS = "Weights"
    TWO_TOWER = "TwoTower"
    BOTH = "Both"


class ItemWeights(enum.StrEnum):
    AUTO = "Auto"
    DENSE = "Dense"
    SPARSE = "Sparse"


class ItemIndex(enum.StrEnum):
    AUTO = "Auto"
    EXACT = "Exact"
    APPROXIMATE = "Approximate"


class RetrievalLoss(enum.StrEnum):
    SAMPLED_SOFTMAX = "SampledSoftmax"
    FULL_SOFTMAX = "FullSoftmax"


class Fault(enum.StrEnum):
    """Test hooks of the export, to rehearse a bad release."""

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
        description="Folder in the claim, relative to its root; the claim is mounted read-only. "
        "If it is the claim of the artifact store, the folder must not be in lake, staging or "
        "artifacts.",
        pattern=RELATIVE_PATH,
        max_length=512,
    )
    format: DataFormat = Field(
        default=DataFormat.MOVIELENS_100K,
        description="Format of the raw files; every format but MovieLens100K needs a mapping. "
        "With Delta, `files` in the mapping names folders of Delta tables, for example those of "
        "an event collector; each check reads the data files that are new in the latest version.",
    )
    mapping: DataMapping | None = Field(
        default=None,
        description="Maps the columns of the raw files to the fields that training uses.",
    )


class DataWindow(ApiModel):
    days: int | None = Field(
        default=None,
        ge=1,
        le=36500,
        description="Train on this many days up to the newest event; on all rows if absent.",
    )


class DataSpec(ApiModel):
    source: DataSource = Field(description="Location of the raw interactions, users and items.")
    window: DataWindow = Field(default=DataWindow(), description="Rolling training window.")
    min_rows: int = Field(
        default=1000,
        ge=1,
        description="Minimum number of usable rows in the window; the data check fails below it.",
    )
    max_quarantined_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Maximum share of rows that violate the schema; the data check fails above "
        "it.",
    )
    checks: DataChecks = Field(
        default=DataChecks(),
        description="Checks of the data against the training data of the current champion.",
    )
    snapshots: DataSnapshots | None = Field(
        default=None,
        description="Take snapshots of the data on a schedule; if absent, data is ingested only "
        "when a version is trained. A change here does not create a version.",
    )
    version: str | None = Field(
        default=None,
        pattern=DATA_VERSION,
        max_length=253,
        description="Train on this data version of an earlier check or snapshot, without reading "
        "the source.",
    )
    as_of: AwareDatetime | None = Field(
        default=None,
        description="Train on the newest snapshot taken at or before this time, without reading "
        "the source.",
    )

    @property
    def pinned(self) -> str:
        """The field that pins the data to an earlier state, with its value; empty if none does."""
        if self.version is not None:
            return f"data.version ({self.version})"
        return f"data.asOf ({self.as_of.isoformat()})" if self.as_of is not None else ""


class Hyperparameters(ApiModel):
    embedding_dim: int = Field(
        default=32, ge=4, le=512, description="Size of the embedding vectors."
    )
    history_length: int = Field(
        default=20,
        ge=1,
        le=200,
        description="Number of latest interactions that the attention reads.",
    )
    epochs: int = Field(default=8, ge=1, le=1000, description="Maximum number of epochs.")
    patience: int = Field(
        default=2,
        ge=1,
        le=100,
        description="Stop after this many epochs without a better validation loss.",
    )
    batch_size: int = Field(default=1024, ge=16, le=65536, description="Rows per batch.")
    learning_rate: float = Field(default=0.003, gt=0, le=1, description="Learning rate of Adam.")
    weight_decay: float = Field(default=1e-5, ge=0, le=1, description="Decoupled weight decay.")
    dropout: float = Field(
        default=0.2, ge=0, lt=1, description="Dropout probability in the ranker."
    )
    user_dropout: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of training rows whose user id is masked, so that the model also "
        "works for new users.",
    )
    session_crop: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of training rows whose session is cropped to a random number of its "
        "newest interactions.",
    )
    session_mask: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the interactions of sessions whose item is hidden in training.",
    )
    precision: Precision = Field(
        default=Precision.AUTO,
        description="Precision of matrix products in training; the exported model is Float32. "
        "Auto is the fastest one for this model on the kind of processor it is trained on; the "
        "training report names it.",
    )
    embedding_updates: EmbeddingUpdates = Field(
        default=EmbeddingUpdates.AUTO,
        description="Which rows of the embeddings of users and items a training step updates: all "
        "of them (Dense), or those that its batch reads (Rows), whose optimizer needs half of the "
        "memory. Auto is Rows for tables of 50000 rows or more; the training report names it.",
    )
    max_embedding_megabytes: int | None = Field(
        default=None,
        ge=1,
        le=1000000,
        description="Most memory in millions of bytes for the embeddings of users and items and "
        "their optimizer. A training that needs more fails before it starts, as one does that "
        "needs more than the memory of its pod.",
    )
    min_id_events: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Users and items with fewer interactions than this in a fit share rows of the "
        "embeddings, chosen by a hash of the id; 1 gives each its own. If absent, it is 1 for "
        "fewer than 50000 users (items), else 5; the training report has the numbers.",
    )
    id_buckets: int | None = Field(
        default=None,
        ge=1,
        le=10000000,
        description="Number of rows that users with few interactions share, and items likewise; "
        "10000 if absent. Where no more than so many would share, each has its own row.",
    )
    features: tuple[FeatureGroup, ...] = Field(
        default=(FeatureGroup.DEMOGRAPHIC_RATES,),
        max_length=3,
        description="Optional groups of numeric features for the ranker.",
    )
    retrieval: Retrieval = Field(
        default=Retrieval.BOTH,
        description="What ranks items, in addition to response and popularity: item-to-item "
        "weights, a two-tower model, or the sum of both. Training is shorter with Weights alone.",
    )
    retrieval_loss: RetrievalLoss = Field(
        default=RetrievalLoss.SAMPLED_SOFTMAX,
        description="Loss of the two towers: a softmax over the items of the batch with logQ "
        "correction, or over the whole catalogue.",
    )
    item_weights: ItemWeights = Field(
        default=ItemWeights.AUTO,
        description="Form of the item-to-item weights. Dense takes at most 10000 items; Sparse "
        "keeps the largest weights of each item. Auto is Dense up to 2000 items; the training "
        "report names the form.",
    )
    item_index: ItemIndex = Field(
        default=ItemIndex.AUTO,
        description="How a request finds its candidates by the two towers: Exact compares it with "
        "every item, Approximate with the items of an index. An index that finds less than 98% of "
        "the exact candidates is not used. Auto is Exact up to 1000000 items; the training report "
        "names the form and the measured share.",
    )
    candidates: int | None = Field(
        default=None,
        ge=250,
        le=10000,
        description="Number of items that the model scores for a request: the first ones by "
        "item-to-item weights, popularity, towers and bonus. If absent, it scores every item of a "
        "catalogue of up to 2000 items, and 500 of a larger one; the training report names it.",
    )


class WarmMode(enum.StrEnum):
    ALL_WEIGHTS = "AllWeights"
    ITEM_EMBEDDINGS = "ItemEmbeddings"


class WarmEvents(enum.StrEnum):
    ALL = "All"
    NEW = "New"


class WarmStart(ApiModel):
    mode: WarmMode = Field(
        default=WarmMode.ALL_WEIGHTS,
        description="Which weights the training updates: all of them, or the item embeddings "
        "only.",
    )
    events: WarmEvents = Field(
        default=WarmEvents.ALL,
        description="Events that the ranker is fitted on: all of the training window, or only "
        "those that the champion has not seen, with a third of the learning rate. With fewer than "
        "1000 new events, all of them.",
    )


class FaultInjection(ApiModel):
    fault: Fault = Field(description="Fault to put into the exported model.")
    latency_milliseconds: int = Field(
        default=500,
        ge=0,
        le=60000,
        description="Delay that the fault Latency adds to each response.",
    )
    feature: str | None = Field(
        default=None,
        pattern=NAME,
        max_length=40,
        description="Declared feature of users, context or items that the fault BrokenFeatures "
        "breaks; all categorical features of users and items if absent.",
    )


class TrainingSpec(ApiModel):
    algorithm: Algorithm = Field(
        default=Algorithm.DEEP_RANKER, description="The model to train and serve."
    )
    seed: int = Field(default=17, ge=0, le=2**31 - 1, description="Seed of every random choice.")
    hyperparameters: Hyperparameters = Field(
        default=Hyperparameters(), description="Settings of the deep ranker."
    )
    search: SearchSpec | None = Field(
        default=None,
        description="Hyperparameter search before the training; no search if absent.",
    )
    mitigation: MitigationSpec | None = Field(
        default=None, description="Mitigation of unfair recommendations; none if absent."
    )
    export: ExportSpec = Field(
        default=ExportSpec(), description="Formats to export, and variants that may serve."
    )
    warm_start: WarmStart | None = Field(
        default=None,
        description="Initialize the deep ranker with matching weights of the current champion; "
        "with new weights if absent.",
    )
    resources: TrainingResources = Field(
        default=TrainingResources(), description="Resources of each training pod."
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=16,
        description="Number of pods that train one version together, each with these resources. "
        "More than one requires Kubeflow Trainer v2 and JobSet in the cluster, and an artifact "
        "store that all their nodes can mount.",
    )
    scheduling: Scheduling | None = Field(
        default=None,
        description="Where the pods of all Jobs run, and as whom. It is no part of a version: a "
        "change applies to the Jobs that start afterwards.",
    )
    backoff_limit: int = Field(
        default=2, ge=0, le=10, description="Number of pod failures before the training fails."
    )
    deadline_seconds: int = Field(
        default=3600, ge=30, le=604800, description="Time limit of each Job of the pipeline."
    )
    fault_injection: FaultInjection | None = Field(
        default=None, description="Test hook: export a model with a known fault."
    )
