"""The section `training` as a training reads it, and faults to rehearse."""

from __future__ import annotations

import enum

from pydantic import Field

from recommender_contract.features import NAME
from recommender_contract.resource.base import ApiModel
from recommender_contract.resource.export import ExportSpec
from recommender_contract.resource.hyperparameters import Hyperparameters
from recommender_contract.resource.mitigation import MitigationSpec
from recommender_contract.resource.search import SearchSpec


class Algorithm(enum.StrEnum):
    """Kind of the model `recommender`."""

    DEEP_RANKER = "DeepRanker"
    LOGISTIC_REGRESSION = "LogisticRegression"


class Fault(enum.StrEnum):
    """Test hooks of the export, to rehearse a bad release."""

    LATENCY = "Latency"
    FAILURE = "Failure"
    NON_FINITE = "NonFinite"
    WRONG_SHAPE = "WrongShape"
    BROKEN_FEATURES = "BrokenFeatures"
    LEARNED_NOTHING = "LearnedNothing"


class Repeats(enum.StrEnum):
    """Whether lists have items that the user's session has already."""

    AUTO = "Auto"
    NEVER = "Never"
    ALLOWED = "Allowed"
    AFTER_DAYS = "AfterDays"


class WarmMode(enum.StrEnum):
    """Weights of the deep ranker that a warm start trains."""

    ALL_WEIGHTS = "AllWeights"
    ITEM_EMBEDDINGS = "ItemEmbeddings"


class WarmEvents(enum.StrEnum):
    """Events of the training window that the deep ranker is fitted on after a warm start."""

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


class TrainingSettings(ApiModel):
    """The settings that a training reads; the operator has those of its Job beside them."""

    algorithm: Algorithm = Field(
        default=Algorithm.DEEP_RANKER, description="The model to train and serve."
    )
    seed: int = Field(default=17, ge=0, le=2**31 - 1, description="Seed of every random choice.")
    hyperparameters: Hyperparameters = Field(
        default=Hyperparameters(), description="Settings of the deep ranker."
    )
    repeats: Repeats = Field(
        default=Repeats.AUTO,
        description="Whether lists have items of the user's session again. Auto: where NDCG@10 on "
        "the validation window gains from it beyond chance. AfterDays: when their newest event is "
        "repeatsAfterDays old.",
    )
    repeats_after_days: float | None = Field(
        default=None,
        gt=0,
        le=3650,
        description="Days until an item may come again, with repeats: AfterDays.",
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
