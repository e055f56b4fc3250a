"""The number of serving pods by their load: `spec.serving.autoscaling`."""

from __future__ import annotations

from pydantic import Field

from recommender_operator.api.base import ApiModel


class AutoscalingSpec(ApiModel):
    max_replicas: int = Field(
        ge=1,
        le=100,
        description="Maximum number of pods of each component of a deployed version. The minimum "
        "is replicas, or transformerReplicas.",
    )
    target_cpu_utilization_percentage: int = Field(
        default=70,
        alias="targetCPUUtilizationPercentage",
        ge=1,
        le=1000,
        description="CPU that the pods of a component use on average, in percent of their "
        "request; with more, pods are added. Requires metrics-server. Not used in Knative mode.",
    )
    target_requests_in_flight: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Requests that a transformer pod answers at once on average; with more, pods "
        "are added. In Gateway mode it requires an adapter that serves the metric "
        "transformer_requests_in_flight of pods (custom.metrics.k8s.io). In Knative mode it is "
        "the concurrency target of the pods.",
    )
    scale_down_stabilization_seconds: int = Field(
        default=300,
        ge=0,
        le=3600,
        description="A pod is removed only if it was not needed during this time.",
    )
