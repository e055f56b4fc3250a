"""The number of serving pods by their load: `spec.serving.autoscaling`."""

from __future__ import annotations

import enum

from pydantic import Field

from recommender_contract.resource.base import ApiModel


def _field(value: str) -> str:
    """Return the pattern of a field: values, in ranges, lists and with steps."""
    one = rf"(\*|{value})"
    return f"{one}([,-]{one}|/[1-9][0-9]?)*"


_FIELDS = (
    "[0-5]?[0-9]",
    "[01]?[0-9]|2[0-3]",
    "0?[1-9]|[12][0-9]|3[01]",
    "0?[1-9]|1[0-2]|(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)",
    "[0-6]|(?i:SUN|MON|TUE|WED|THU|FRI|SAT)",
)
#: Minute, hour, day, month and weekday of cron, with the values that KEDA takes: no weekday 7.
#: What else it refuses, such as a range from its end, its ScaledObjects report.
CRON = "^" + " ".join(map(_field, _FIELDS)) + "$"
#: A name of the IANA time zone database.
TIME_ZONE = r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$"


class Engine(enum.StrEnum):
    HPA = "HPA"
    KEDA = "KEDA"


class Peak(ApiModel):
    start: str = Field(
        pattern=CRON, max_length=100, description="When the peak begins, in cron syntax."
    )
    end: str = Field(
        pattern=CRON, max_length=100, description="When it ends, in cron syntax; not start."
    )
    time_zone: str = Field(
        default="UTC",
        pattern=TIME_ZONE,
        max_length=64,
        description="Time zone of both, as the IANA names it, such as Europe/Berlin.",
    )
    replicas: int = Field(
        ge=1,
        le=100,
        description="Minimum number of pods of each component during the peak; at most "
        "maxReplicas.",
    )


class AutoscalingSpec(ApiModel):
    engine: Engine = Field(
        default=Engine.HPA,
        description="What scales the pods in Gateway mode. HPA: a HorizontalPodAutoscaler per "
        "component. KEDA: a ScaledObject per component; it requires KEDA in the cluster and "
        "keda.enabled in the chart. If it is not available, HorizontalPodAutoscalers scale.",
    )
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
        "are added. With the engine HPA it requires an adapter that serves the metric "
        "transformer_requests_in_flight of pods (custom.metrics.k8s.io); with KEDA, "
        "keda.prometheusUrl in the chart. In Knative mode it is the concurrency target of the "
        "pods.",
    )
    peaks: tuple[Peak, ...] = Field(
        default=(),
        max_length=8,
        description="Times at which more pods run, whatever the load. Requires the engine KEDA.",
    )
    scale_down_stabilization_seconds: int = Field(
        default=300,
        ge=0,
        le=3600,
        description="A pod is removed only if it was not needed during this time.",
    )
