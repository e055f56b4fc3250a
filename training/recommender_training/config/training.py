"""The section `training` of the resource, as the Job receives it (`--config`, camelCase).

The other side of this contract is `recommender_operator.api.spec.TrainingSpec`; a test holds the
defaults of both together.
"""

from __future__ import annotations

import enum
import json

from pydantic import Field, ValidationError

from recommender_contract.features import NAME
from recommender_training.common.errors import InputError
from recommender_training.common.section import Section, problems
from recommender_training.config import lists, search_space
from recommender_training.config.export_settings import ExportSettings
from recommender_training.config.lists import ItemIndex, ItemWeights
from recommender_training.config.mitigation_settings import Exposure, Mitigation, Reweighting
from recommender_training.config.search_settings import Sampler, SearchSettings

#: Settings of the Job; ignored here, so that the whole section can be passed.
_JOB_SETTINGS = frozenset({"resources", "workers", "backoffLimit", "deadlineSeconds"})


class Algorithm(enum.StrEnum):
    """Kind of the model `recommender`."""

    DEEP_RANKER = "DeepRanker"
    LOGISTIC_REGRESSION = "LogisticRegression"


class Precision(enum.StrEnum):
    """Precision of matrix products while fitting a deep model; the export is always Float32.

    Auto is never slower than Float32 (`trainer.precision`).
    """

    AUTO = "Auto"
    FLOAT32 = "Float32"
    BFLOAT16 = "BFloat16"


class EmbeddingUpdates(enum.StrEnum):
    """Rows of an embedding table that a step of a fit updates (`trainer.embedding_plan`)."""

    AUTO = "Auto"
    DENSE = "Dense"
    ROWS = "Rows"


class Retrieval(enum.StrEnum):
    """Part of the retrieval that ranks lists, beside predicted response and popularity."""

    WEIGHTS = "Weights"
    TWO_TOWER = "TwoTower"
    BOTH = "Both"


class FeatureGroup(enum.StrEnum):
    """Optional numeric features of the deep ranker (`hyperparameters.features`)."""

    DEMOGRAPHIC_RATES = "DemographicRates"
    ROLLING_POPULARITY = "RollingPopularity"
    CALENDAR = "Calendar"


class RetrievalLoss(enum.StrEnum):
    """Items in the softmax of the two towers: a sample or all."""

    SAMPLED_SOFTMAX = "SampledSoftmax"
    FULL_SOFTMAX = "FullSoftmax"


class Fault(enum.StrEnum):
    """Documented test hooks of the export, to rehearse a bad release (docs/export.md)."""

    LATENCY = "Latency"
    FAILURE = "Failure"
    NON_FINITE = "NonFinite"
    WRONG_SHAPE = "WrongShape"
    BROKEN_FEATURES = "BrokenFeatures"
    LEARNED_NOTHING = "LearnedNothing"


class Hyperparameters(Section):
    """Settings of the deep ranker."""

    embedding_dim: int = Field(default=32, ge=4, le=512)
    history_length: int = Field(default=20, ge=1, le=200)
    epochs: int = Field(default=8, ge=1, le=1000)
    patience: int = Field(default=2, ge=1, le=100)
    batch_size: int = Field(default=1024, ge=16, le=65536)
    learning_rate: float = Field(default=0.003, gt=0, le=1)
    weight_decay: float = Field(default=1e-5, ge=0, le=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    user_dropout: float = Field(default=0.5, ge=0, le=1)
    session_crop: float = Field(default=0.0, ge=0, lt=1)
    session_mask: float = Field(default=0.0, ge=0, lt=1)
    precision: Precision = Precision.AUTO
    embedding_updates: EmbeddingUpdates = EmbeddingUpdates.AUTO
    max_embedding_megabytes: int | None = Field(default=None, ge=1, le=1_000_000)
    #: Ids with fewer events in a fit share rows (`trainer.id_tables`); chosen by size if absent.
    min_id_events: int | None = Field(default=None, ge=1, le=1000)
    id_buckets: int | None = Field(default=None, ge=1, le=10_000_000)
    features: tuple[FeatureGroup, ...] = Field(
        default=(FeatureGroup.DEMOGRAPHIC_RATES,), max_length=3
    )
    retrieval: Retrieval = Retrieval.BOTH
    retrieval_loss: RetrievalLoss = RetrievalLoss.SAMPLED_SOFTMAX
    item_weights: ItemWeights = ItemWeights.AUTO
    item_index: ItemIndex = ItemIndex.AUTO
    candidates: int | None = Field(
        default=None, ge=lists.LEAST_CANDIDATES, le=lists.MOST_CANDIDATES
    )

    def list_plan(self, items: int) -> lists.ListPlan:
        """How lists are made of so many items; raises InputError `CatalogueTooLarge`."""
        weights = None if self.retrieval is Retrieval.TWO_TOWER else self.item_weights
        return lists.plan(items, weights, self.candidates, self.item_index)


class WarmMode(enum.StrEnum):
    """Weights of the deep ranker that a warm start trains."""

    ALL_WEIGHTS = "AllWeights"
    ITEM_EMBEDDINGS = "ItemEmbeddings"


class WarmEvents(enum.StrEnum):
    """Events of the training window that the deep ranker is fitted on after a warm start."""

    ALL = "All"
    NEW = "New"


class WarmStartSettings(Section):
    """Start from the weights of the champion."""

    mode: WarmMode = WarmMode.ALL_WEIGHTS
    events: WarmEvents = WarmEvents.ALL


class FaultInjection(Section):
    """Fault to inject into the exported model."""

    fault: Fault
    latency_milliseconds: int = Field(default=500, ge=0, le=60000)
    #: The declared feature that BrokenFeatures breaks; all if absent.
    feature: str | None = Field(default=None, pattern=NAME, max_length=40)


class TrainingConfig(Section):
    """Settings of a training, and the seed of every random choice."""

    algorithm: Algorithm = Algorithm.DEEP_RANKER
    seed: int = Field(default=17, ge=0, le=2**31 - 1)
    hyperparameters: Hyperparameters = Hyperparameters()
    search: SearchSettings | None = None
    mitigation: Mitigation | None = None
    export: ExportSettings = ExportSettings()
    warm_start: WarmStartSettings | None = None
    fault_injection: FaultInjection | None = None

    @property
    def fault(self) -> Fault | None:
        """The injected fault, if any."""
        return self.fault_injection.fault if self.fault_injection else None

    @property
    def reweighting(self) -> Reweighting | None:
        """The reweighting, if any weight can differ from 1."""
        found = self.mitigation.reweighting if self.mitigation else None
        return found if found and found.active else None

    @property
    def exposure(self) -> Exposure | None:
        """The exposure constraint, if it can change a list."""
        found = self.mitigation.exposure if self.mitigation else None
        return found if found and found.active else None


def parse_config(text: str) -> TrainingConfig:
    """Parse `--config`.

    Raises InputError `InvalidConfig` with the field, its value and its limits.
    """
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError("InvalidConfig", f"--config is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise InputError("InvalidConfig", "--config must be a JSON object, such as {}")
    known = {key: value for key, value in raw.items() if key not in _JOB_SETTINGS}
    try:
        config = TrainingConfig.model_validate(known)
    except ValidationError as error:
        found = problems(error, TrainingConfig)
        raise InputError("InvalidConfig", f"--config: {found}") from error
    check_search(config)
    _check_variants(config)
    return config


def _check_variants(config: TrainingConfig) -> None:
    if config.export.variants and config.hyperparameters.retrieval is Retrieval.TWO_TOWER:
        raise InputError(
            "InvalidConfig",
            "--config: export.variants compress the item-to-item weights, and "
            "hyperparameters.retrieval=TwoTower has none: leave the variants out, or set "
            "retrieval to Weights or Both",
        )


def check_search(config: TrainingConfig) -> None:
    """Raise InputError `InvalidConfig` if the search space is invalid for the algorithm."""
    search = config.search
    if search is None:
        return
    if config.algorithm is not Algorithm.DEEP_RANKER:
        raise InputError(
            "InvalidConfig",
            f"--config: search needs the algorithm DeepRanker; {config.algorithm.value} has no "
            "hyperparameters",
        )
    found = search_space.dimensions(search.space, config.hyperparameters)
    if search.sampler is Sampler.GRID:
        search_space.grid(found, config.seed)
