"""Requests and limits of the containers of Jobs and serving pods, in the form that a pod has.

What is absent has a default of the operator (`resources/container_resources.py`) and none in the
schema: the request of memory of Triton follows the graph, and a default beside a user's limit
could be above it.
"""

from __future__ import annotations

from typing import ClassVar, Self

import pydantic
from pydantic import Field

from recommender_contract.resource.base import ApiModel
from recommender_operator.api.quantities import Quantity, number

#: Resource name of NVIDIA's device plugin.
GPU = "nvidia.com/gpu"
#: Resources that a container can request.
REQUESTS = ("cpu", "memory")
_REQUESTS = (
    "What a node must have free for the container: cpu, memory. A resource with a limit alone "
    "requests its limit, as in a pod."
)
_LIMITS = "What the container may use: cpu, memory. Memory is always limited."


class Resources(ApiModel):
    #: Resources that can have a limit.
    limited: ClassVar[tuple[str, ...]] = REQUESTS

    requests: dict[str, Quantity] = Field(default={}, description=_REQUESTS)
    limits: dict[str, Quantity] = Field(default={}, description=_LIMITS)

    @pydantic.model_validator(mode="after")
    def _fits(self) -> Self:
        _refuse_unknown("requests", self.requests, REQUESTS)
        _refuse_unknown("limits", self.limits, self.limited)
        for name in REQUESTS:
            request, limit = self.requests.get(name), self.limits.get(name)
            if request and limit and number(request) > number(limit):
                raise ValueError(
                    f"requests.{name} {request} is above limits.{name} {limit}: lower the request "
                    "or raise the limit"
                )
        if self.limits.get(GPU, "0") not in ("0", "1"):
            raise ValueError(
                f"limits {GPU} {self.limits[GPU]} is above 1: a pod trains one model on one GPU, "
                "set 1 or remove it"
            )
        return self


class TrainingResources(Resources):
    limited: ClassVar[tuple[str, ...]] = (*REQUESTS, GPU)

    limits: dict[str, Quantity] = Field(
        default={},
        description=f"{_LIMITS} And {GPU} 1, for a GPU in each pod, which requires NVIDIA's "
        "device plugin in the cluster and a training image with CUDA.",
    )


def _refuse_unknown(field: str, wanted: dict[str, str], known: tuple[str, ...]) -> None:
    for name in wanted:
        if name not in known:
            raise ValueError(
                f"{field} {name} is not for a model to set: remove it. {field} takes "
                f"{', '.join(known)}"
            )
