"""Tolerations and affinity of pod templates, as Kubernetes defines them.

The definition of the resource leaves their schema out, so the operator checks them, strictly: a
misspelled field would be dropped on the way to a pod, and a wrong type would fail there. Terms
have no namespaces, because pods of other teams must not steer, or be steered by, a model.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Field

from recommender_contract.resource.base import ApiModel
from recommender_operator.api.spec_pod_template import PodTemplate, Value

#: A label key: an optional DNS prefix and a name.
LABEL_KEY = (
    r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
MAX_KEY = 317
_TAKES = (
    "A pod template takes metadata.labels, metadata.annotations, spec.nodeSelector, "
    "spec.tolerations, spec.affinity, spec.serviceAccountName and spec.priorityClassName"
)
#: Maximum length of a value in a message.
_SHOWN = 100


class _Strict(ApiModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _is_set(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("give a value, or remove the field")
        return value


Key = Annotated[str, Field(pattern=LABEL_KEY, max_length=MAX_KEY)]
Weight = Annotated[int, Field(ge=1, le=100)]


class Toleration(_Strict):
    key: Key | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: Value | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[int, Field(ge=0, le=2592000)] | None = None

    @pydantic.model_validator(mode="after")
    def _fits(self) -> Self:
        if self.key is None and self.operator != "Exists":
            raise ValueError("a toleration without a key requires the operator Exists")
        if self.value and self.operator == "Exists":
            raise ValueError("a toleration with the operator Exists must not have a value")
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            raise ValueError("tolerationSeconds requires the effect NoExecute")
        return self


class _Requirement(_Strict):
    key: Key
    operator: str
    values: list[Value] = Field(default=[], max_length=50)

    @pydantic.model_validator(mode="after")
    def _has_values(self) -> Self:
        if self.operator in ("Gt", "Lt"):
            if len(self.values) != 1 or not self.values[0].isdecimal():
                raise ValueError("Gt and Lt require one integer as values")
        elif bool(self.values) is (self.operator in ("Exists", "DoesNotExist")):
            raise ValueError(
                "values of a requirement: at least one with In and NotIn, none with Exists and "
                "DoesNotExist"
            )
        return self


class NodeRequirement(_Requirement):
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]


class LabelRequirement(_Requirement):
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]


class NodeTerm(_Strict):
    match_expressions: list[NodeRequirement] = Field(min_length=1, max_length=10)


class NodeSelector(_Strict):
    node_selector_terms: list[NodeTerm] = Field(min_length=1, max_length=10)


class PreferredNodes(_Strict):
    weight: Weight
    preference: NodeTerm


class NodeAffinity(_Strict):
    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: list[PreferredNodes] = Field(
        default=[], max_length=10
    )


class LabelSelector(_Strict):
    match_labels: dict[Key, Value] = Field(default={})
    match_expressions: list[LabelRequirement] = Field(default=[], max_length=10)


class PodTerm(_Strict):
    label_selector: LabelSelector
    topology_key: Key


class PreferredPods(_Strict):
    weight: Weight
    pod_affinity_term: PodTerm


class PodAffinity(_Strict):
    required_during_scheduling_ignored_during_execution: list[PodTerm] = Field(
        default=[], max_length=10
    )
    preferred_during_scheduling_ignored_during_execution: list[PreferredPods] = Field(
        default=[], max_length=10
    )


class Affinity(_Strict):
    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class _Placement(_Strict):
    tolerations: list[Toleration] = Field(default=[])
    affinity: Affinity | None = None


def refusal(field: str, template: PodTemplate | None) -> str:
    """Return why pods cannot be made of the template at a field, and the remedy.

    Empty if they can.
    """
    if template is None:
        return ""
    parts = (("", template), ("metadata.", template.metadata), ("spec.", template.spec))
    unknown = [
        f"{field}.{at}{name} {_shown(value)} is not for a model to set: remove it. {_TAKES}"
        for at, part in parts
        if part is not None
        for name, value in (part.model_extra or {}).items()
    ]
    if unknown or template.spec is None:
        return unknown[0] if unknown else ""
    given: dict[str, Any] = {"tolerations": list(template.spec.tolerations or ())}
    if template.spec.affinity is not None:
        given["affinity"] = template.spec.affinity
    try:
        _Placement.model_validate(given)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in first["loc"])
        reason = _reason(str(first["loc"][-1]), first["type"], first["msg"])
        return f"{field}.spec{path} {_shown(first['input'])}: {reason}"
    return ""


def _reason(name: str, kind: str, message: str) -> str:
    if kind != "extra_forbidden":
        return message.removeprefix("Value error, ")
    if name in ("namespaces", "namespaceSelector"):
        return "remove it: a term selects pods of the namespace of the model alone"
    return "there is no such field: correct its name, or remove it"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
