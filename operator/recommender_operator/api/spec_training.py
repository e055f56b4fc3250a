"""The section training of the spec."""

from __future__ import annotations

from pydantic import Field

from recommender_contract.resource.base import ApiModel
from recommender_contract.resource.export import ExportSpec
from recommender_contract.resource.hyperparameters import Hyperparameters
from recommender_contract.resource.mitigation import MitigationSpec
from recommender_contract.resource.search import SearchSpec
from recommender_contract.resource.training_settings import Algorithm, WarmStart
from recommender_operator.api.spec_pod_template import PodTemplate
from recommender_operator.api.spec_resources import TrainingResources


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
        default=TrainingResources(),
        description="Resources of each training pod. By default it requests 500m of CPU; 3Gi of "
        "memory are request and limit.",
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=16,
        description="Number of pods that train one version together, each with these resources. "
        "More than one requires Kubeflow Trainer v2 and JobSet in the cluster, and an artifact "
        "store that all their nodes can mount.",
    )
    pod_template: PodTemplate | None = Field(
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
