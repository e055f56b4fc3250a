"""The section training of the spec."""

from __future__ import annotations

from pydantic import Field

from recommender_contract.resource.training_settings import TrainingSettings
from recommender_operator.api.spec_pod_template import PodTemplate
from recommender_operator.api.spec_resources import TrainingResources


class TrainingSpec(TrainingSettings):
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
