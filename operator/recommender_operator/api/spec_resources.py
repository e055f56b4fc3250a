"""Resources of the containers of Jobs and serving pods."""

from __future__ import annotations

from pydantic import Field

from recommender_contract.resource.base import ApiModel

QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|[KMGT]i?)?$"


class Resources(ApiModel):
    cpu: str = Field(default="250m", description="CPU request.", pattern=QUANTITY, max_length=20)
    memory: str = Field(
        default="1Gi", description="Memory request and limit.", pattern=QUANTITY, max_length=20
    )
    cpu_limit: str | None = Field(
        default=None, description="CPU limit; none if absent.", pattern=QUANTITY, max_length=20
    )


class TrainingResources(Resources):
    """Resources of a training pod; a separate class, so that each field has its own default."""

    cpu: str = Field(default="500m", description="CPU request.", pattern=QUANTITY, max_length=20)
    memory: str = Field(
        default="3Gi", description="Memory request and limit.", pattern=QUANTITY, max_length=20
    )
    gpus: int = Field(
        default=0,
        ge=0,
        le=1,
        description="NVIDIA GPUs (nvidia.com/gpu) of each pod, which trains one model on one "
        "GPU. Requires NVIDIA's device plugin in the cluster and a training image with CUDA.",
    )


class TritonResources(Resources):
    """Resources of the container that runs Triton with the models."""

    cpu: str = Field(default="250m", description="CPU request.", pattern=QUANTITY, max_length=20)
    memory: str = Field(
        default="2Gi", description="Memory request and limit.", pattern=QUANTITY, max_length=20
    )


class TransformerResources(Resources):
    """Resources of the container that answers the requests."""

    cpu: str = Field(default="250m", description="CPU request.", pattern=QUANTITY, max_length=20)
