"""Smaller variants of the graph: `spec.training.export`."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from recommender_contract.resource.base import ApiModel


class Variant(enum.StrEnum):
    INT8 = "Int8"
    PRUNED = "Pruned"


class ExportSpec(ApiModel):
    variants: Annotated[tuple[Variant, ...], Field(max_length=2)] = Field(
        default=(),
        description="Smaller variants of the deep ranker to try: Int8 (tables as 8-bit "
        "integers), Pruned (only the largest item-to-item weights). The smallest that passes "
        "serves.",
    )
    keep: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Share of each item's weights that Pruned keeps (0..1).",
    )
    max_auc_loss: float = Field(
        default=0.002,
        ge=0,
        le=1,
        description="Maximum loss of AUC on the validation window, at the worse end of the 95 % "
        "interval of the paired difference.",
    )
    max_ndcg_loss: float = Field(
        default=0.005,
        ge=0,
        le=1,
        description="Maximum loss of NDCG@10, measured the same way.",
    )
    min_saving: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="A variant must be smaller or faster than the full graph by at least this "
        "share, and must not be larger or slower by as much.",
    )
