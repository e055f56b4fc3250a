"""The spec of a `RecommenderModel`: the desired state.

Every field has a description: the CRD is generated from these models (`api/crd.py`), and people
read `kubectl explain recommendermodel.spec`. CEL rules between fields are in `api/rules.py`.

The sections have their own modules; other packages import them from here.
"""

from __future__ import annotations

import enum
from typing import Literal

from pydantic import Field

from recommender_contract.resource.base import ApiModel
from recommender_contract.resource.hyperparameters import Hyperparameters
from recommender_contract.resource.training_settings import Algorithm
from recommender_operator.api.spec_data import ClaimFolder, DataSource, DataSpec
from recommender_operator.api.spec_events import EventsSpec
from recommender_operator.api.spec_experiment import (
    ExperimentMetric,
    ExperimentMode,
    ExperimentSpec,
    Goal,
    Guardrail,
    PrimaryMetric,
)
from recommender_operator.api.spec_gates import (
    AGAINST_BASELINE,
    AT_EXPLORED_PLACES,
    LOWER_IS_BETTER,
    MAY_LACK,
    NEARER_ONE,
    WITH_CHAMPION_DIFFERENCE,
    WITH_INTERVAL,
    EvaluationSpec,
    Gate,
    GateMetric,
    JudgeBy,
    OnFailure,
)
from recommender_operator.api.spec_retrain import DriftSpec, RetrainMode, RetrainSpec
from recommender_operator.api.spec_rollout import (
    AnalysisSpec,
    OnDeadline,
    PromotionGate,
    Provider,
    RolloutSpec,
    TrafficMode,
)
from recommender_operator.api.spec_serving import ServingSpec
from recommender_operator.api.spec_training import TrainingSpec

__all__ = [
    "AGAINST_BASELINE",
    "AT_EXPLORED_PLACES",
    "LOWER_IS_BETTER",
    "MAY_LACK",
    "NEARER_ONE",
    "WITH_CHAMPION_DIFFERENCE",
    "WITH_INTERVAL",
    "Algorithm",
    "AnalysisSpec",
    "ClaimFolder",
    "ConditionStatus",
    "DataSource",
    "DataSpec",
    "DeletionPolicy",
    "DriftSpec",
    "EventsSpec",
    "ExperimentMetric",
    "ExperimentMode",
    "ExperimentSpec",
    "Gate",
    "GateMetric",
    "Goal",
    "Guardrail",
    "Hyperparameters",
    "JudgeBy",
    "OnDeadline",
    "OnFailure",
    "PrimaryMetric",
    "PromotionGate",
    "Provider",
    "RecommenderModelSpec",
    "RetrainMode",
    "ServingSpec",
    "TrafficMode",
    "TrainingSpec",
]

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"


class HistorySpec(ApiModel):
    limit: int = Field(
        default=5,
        ge=1,
        le=50,
        description="Finished versions to keep in addition to champion and previous.",
    )


class DeletionPolicy(enum.StrEnum):
    RETAIN = "Retain"
    DELETE = "Delete"


class StoreClaim(ApiModel):
    claim_name: str = Field(
        description="PersistentVolumeClaim of the artifact store (tables and versions). With the "
        'label recommender.dev/storage: "true" the kubelet changes the group of its volume to '
        "65532 (fsGroup); without the label, that group must already have write access.",
        max_length=253,
    )


class StorageSpec(ApiModel):
    persistent_volume_claim: StoreClaim = Field(
        description="The store is in a PersistentVolumeClaim."
    )


class RecommenderModelSpec(ApiModel):
    data: DataSpec = Field(description="The data and its checks.")
    storage: StorageSpec = Field(description="Where tables and artifacts are written.")
    training: TrainingSpec = Field(default=TrainingSpec(), description="How a version is trained.")
    evaluation: EvaluationSpec = Field(
        default=EvaluationSpec(), description="Offline gates before publishing."
    )
    serving: ServingSpec = Field(default=ServingSpec(), description="How a version is served.")
    events: EventsSpec = Field(
        default=EventsSpec(),
        description="What the transformer reports to the collector, and how reported events "
        "change answers. For models in the namespace of the release, with the collector enabled "
        "in the chart.",
    )
    rollout: RolloutSpec = Field(
        default=RolloutSpec(),
        description="How traffic shifts to a new version, and what decides about it.",
    )
    retrain: RetrainSpec = Field(
        default=RetrainSpec(),
        description="How drift is found, when to retrain, and what happens unattended.",
    )
    history: HistorySpec = Field(default=HistorySpec(), description="How many versions to keep.")
    deletion_policy: DeletionPolicy = Field(
        default=DeletionPolicy.RETAIN,
        description="Whether deleting the resource deletes its artifacts: Retain or Delete.",
    )
    paused: bool = Field(
        default=False, description="Pause the lifecycle; the current traffic split stays."
    )
    rollback_to: str | None = Field(
        default=None,
        pattern=DNS_LABEL,
        max_length=63,
        description="Pin this version as champion; no other version rolls out while this is set.",
    )


ConditionStatus = Literal["True", "False", "Unknown"]
