"""Hyperparameters of the deep ranker: `spec.training.hyperparameters`."""

from __future__ import annotations

import enum

from pydantic import Field

from recommender_contract.resource.base import ApiModel

#: Least candidates: as many as a request may ask for, and some to choose from; and most.
LEAST_CANDIDATES, MOST_CANDIDATES = 250, 10_000


class EmbeddingUpdates(enum.StrEnum):
    """Rows of an embedding table that a step of a fit updates."""

    AUTO = "Auto"
    DENSE = "Dense"
    ROWS = "Rows"


class Precision(enum.StrEnum):
    """Precision of matrix products while fitting a deep model; the export is always Float32."""

    AUTO = "Auto"
    FLOAT32 = "Float32"
    BFLOAT16 = "BFloat16"


class FeatureGroup(enum.StrEnum):
    """Optional groups of numeric features of the deep ranker."""

    DEMOGRAPHIC_RATES = "DemographicRates"
    ROLLING_POPULARITY = "RollingPopularity"
    CALENDAR = "Calendar"


class Retrieval(enum.StrEnum):
    """Part of the retrieval that ranks lists, beside predicted response and popularity."""

    WEIGHTS = "Weights"
    TWO_TOWER = "TwoTower"
    BOTH = "Both"


class ItemWeights(enum.StrEnum):
    """Form of the item-to-item weights."""

    AUTO = "Auto"
    DENSE = "Dense"
    SPARSE = "Sparse"


class ItemIndex(enum.StrEnum):
    """How the candidates of a request are found by the towers."""

    AUTO = "Auto"
    EXACT = "Exact"
    APPROXIMATE = "Approximate"


class RetrievalLoss(enum.StrEnum):
    """Items in the softmax of the two towers: a sample or all."""

    SAMPLED_SOFTMAX = "SampledSoftmax"
    FULL_SOFTMAX = "FullSoftmax"


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
        "Auto is Float32: on CPUs it is the fastest one for this model, and on GPUs none was "
        "measured to be faster; the training report names it.",
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
        ge=LEAST_CANDIDATES,
        le=MOST_CANDIDATES,
        description="Number of items that the model scores for a request: the first ones by "
        "item-to-item weights, popularity, towers and bonus. If absent, it scores every item of a "
        "catalogue of up to 2000 items, and 500 of a larger one; the training report names it.",
    )
