"""Pod templates: `spec.training.podTemplate` and `spec.serving.podTemplate`.

They have the shape of a PodTemplateSpec of Kubernetes and never change what is trained or
answered, so they are no part of a version. The API server keeps fields that it does not know
here, so that a policy and the operator (`pod_scheduling`) refuse them, instead of dropping them.
"""

from __future__ import annotations

from typing import Annotated, Any

import pydantic
from pydantic import Field

from recommender_contract.resource.base import ApiModel

DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
MAX_VALUE = 63

Value = Annotated[str, Field(pattern=LABEL_VALUE, max_length=MAX_VALUE)]
AnnotationValue = Annotated[str, Field(max_length=4096)]


class _Open(ApiModel):
    """A value that keeps the fields that it does not know."""

    model_config = pydantic.ConfigDict(extra="allow")


class PodMetadata(_Open):
    labels: dict[str, Value] | None = Field(
        default=None,
        description="More labels of the pods. Keys of the operator, Kubernetes, KServe, Knative, "
        "JobSet, service meshes, networks, identities and injectors are reserved, and all of "
        "app.kubernetes.io.",
    )
    annotations: dict[str, AnnotationValue] | None = Field(
        default=None,
        description="Annotations of the pods. Keys of the operator, Kubernetes, KServe, Knative, "
        "JobSet, service meshes, networks, identities and injectors are reserved.",
    )


class PodSpec(_Open):
    node_selector: dict[str, Value] | None = Field(
        default=None, description="Labels that the nodes of the pods must have."
    )
    tolerations: tuple[dict[str, Any], ...] | None = Field(
        default=None,
        max_length=20,
        description="Taints of nodes that the pods tolerate, as in a pod.",
    )
    affinity: dict[str, Any] | None = Field(
        default=None,
        description="Affinity to nodes, and to or against other pods, as in a pod. Terms select "
        "pods of the model's namespace: namespaces and namespaceSelector are refused.",
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


class PodTemplate(_Open):
    metadata: PodMetadata | None = Field(
        default=None, description="Labels and annotations of the pods."
    )
    spec: PodSpec | None = Field(
        default=None, description="Fields of the pods; the operator sets all others."
    )
