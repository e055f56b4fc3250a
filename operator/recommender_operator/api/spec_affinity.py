"""Affinity of pods, as Kubernetes defines it, without namespaces of other pods."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from recommender_operator.api.base import ApiModel

#: A label key: an optional DNS prefix and a name.
LABEL_KEY = (
    r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
MAX_KEY, MAX_VALUE = 317, 63

Key = Annotated[str, Field(pattern=LABEL_KEY, max_length=MAX_KEY)]
Value = Annotated[str, Field(pattern=LABEL_VALUE, max_length=MAX_VALUE)]
Values = Annotated[tuple[Value, ...], Field(max_length=50)]


class NodeOperator(enum.StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"


class LabelOperator(enum.StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class NodeRequirement(ApiModel):
    key: Key = Field(description="Label key of nodes.")
    operator: NodeOperator = Field(description="How the label relates to the values.")
    values: Values = Field(
        default=(),
        description="Values of the label: at least one with In and NotIn, none with Exists and "
        "DoesNotExist, one integer with Gt and Lt.",
    )


class NodeTerm(ApiModel):
    match_expressions: Annotated[tuple[NodeRequirement, ...], Field(min_length=1)] = Field(
        max_length=10, description="Requirements that a node must all meet."
    )


class NodeSelector(ApiModel):
    node_selector_terms: Annotated[tuple[NodeTerm, ...], Field(min_length=1)] = Field(
        max_length=10, description="Terms of which a node must meet one."
    )


class PreferredNodes(ApiModel):
    weight: int = Field(ge=1, le=100, description="Weight of the preference.")
    preference: NodeTerm = Field(description="The preferred nodes.")


class NodeAffinity(ApiModel):
    required_during_scheduling_ignored_during_execution: NodeSelector | None = Field(
        default=None, description="Nodes that pods may run on."
    )
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredNodes, ...] = Field(
        default=(), max_length=10, description="Nodes that pods prefer."
    )


class LabelRequirement(ApiModel):
    key: Key = Field(description="Label key of pods.")
    operator: LabelOperator = Field(description="How the label relates to the values.")
    values: Values = Field(
        default=(),
        description="Values of the label: at least one with In and NotIn, none with Exists and "
        "DoesNotExist.",
    )


class LabelSelector(ApiModel):
    match_labels: dict[str, Value] = Field(
        default={}, description="Labels that pods must all have."
    )
    match_expressions: tuple[LabelRequirement, ...] = Field(
        default=(), max_length=10, description="Requirements that pods must all meet."
    )


class PodTerm(ApiModel):
    label_selector: LabelSelector = Field(
        description="Selects pods of the namespace of the model."
    )
    topology_key: Key = Field(
        description="Label key of nodes: two nodes with the same value are one place."
    )


class PreferredPods(ApiModel):
    weight: int = Field(ge=1, le=100, description="Weight of the preference.")
    pod_affinity_term: PodTerm = Field(description="The preferred pods.")


class PodAffinity(ApiModel):
    required_during_scheduling_ignored_during_execution: tuple[PodTerm, ...] = Field(
        default=(), max_length=10, description="Pods that must all run in the same place."
    )
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredPods, ...] = Field(
        default=(), max_length=10, description="Pods that should run in the same place."
    )


class PodAntiAffinity(ApiModel):
    required_during_scheduling_ignored_during_execution: tuple[PodTerm, ...] = Field(
        default=(), max_length=10, description="Pods of which none may run in the same place."
    )
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredPods, ...] = Field(
        default=(), max_length=10, description="Pods that should not run in the same place."
    )


class Affinity(ApiModel):
    node_affinity: NodeAffinity | None = Field(default=None, description="Affinity to nodes.")
    pod_affinity: PodAffinity | None = Field(
        default=None, description="Affinity to pods of the namespace."
    )
    pod_anti_affinity: PodAntiAffinity | None = Field(
        default=None, description="Anti-affinity to pods of the namespace."
    )
