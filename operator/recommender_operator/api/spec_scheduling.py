"""Where pods run, and as whom: `spec.training.scheduling` and `spec.serving.scheduling`.

It never changes what is trained or answered, so it is no part of a version.
"""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from recommender_operator.api.base import ApiModel
from recommender_operator.api.spec_affinity import LABEL_KEY, MAX_KEY, Affinity, Value

DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

AnnotationValue = Annotated[str, Field(max_length=4096)]


class TolerationOperator(enum.StrEnum):
    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(enum.StrEnum):
    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(ApiModel):
    key: str | None = Field(
        default=None,
        pattern=LABEL_KEY,
        max_length=MAX_KEY,
        description="Key of the taint; any key if absent, with the operator Exists.",
    )
    operator: TolerationOperator = Field(
        default=TolerationOperator.EQUAL,
        description="Equal: the taint has this value. Exists: it has any value.",
    )
    value: Value | None = Field(default=None, description="Value of the taint.")
    effect: TaintEffect | None = Field(
        default=None, description="Effect of the taint; any effect if absent."
    )
    toleration_seconds: int | None = Field(
        default=None,
        ge=0,
        le=2592000,
        description="Time that a running pod tolerates a NoExecute taint; forever if absent.",
    )


class Scheduling(ApiModel):
    node_selector: dict[str, Value] = Field(
        default={}, description="Labels that the nodes of the pods must have."
    )
    tolerations: tuple[Toleration, ...] = Field(
        default=(), max_length=20, description="Taints of nodes that the pods tolerate."
    )
    affinity: Affinity | None = Field(
        default=None, description="Affinity to nodes, and to or against other pods."
    )
    service_account_name: str | None = Field(
        default=None,
        pattern=DNS_SUBDOMAIN,
        max_length=253,
        description="Service account of the pods, for workload identity; its token is not "
        "mounted. It must be in the chart's scheduling.serviceAccounts of the namespace. "
        "Default: the namespace's default account. Jobs that remove files do not use it.",
    )
    priority_class_name: str | None = Field(
        default=None,
        pattern=DNS_SUBDOMAIN,
        max_length=253,
        description="PriorityClass of the pods; not one of the system's own (system-...).",
    )
    pod_labels: dict[str, Value] = Field(
        default={},
        description="More labels of the pods. Keys of the operator, Kubernetes, KServe, Knative, "
        "JobSet, service meshes, networks, identities and injectors are reserved, and all of "
        "app.kubernetes.io.",
    )
    pod_annotations: dict[str, AnnotationValue] = Field(
        default={},
        description="Annotations of the pods. Keys of the operator, Kubernetes, KServe, Knative, "
        "JobSet, service meshes, networks, identities and injectors are reserved.",
    )
