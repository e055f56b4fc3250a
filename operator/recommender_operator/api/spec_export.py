"""What is exported beside the graph, and what may serve in its place: `spec.training.export`.

The other side of this contract is `recommender_training.config.export`; a test holds the
defaults and limits of both together.
"""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from recommender_operator.api.base import ApiModel


class Variant(enum.StrEnum):
    INT8 = "Int8"
    PRUNED = "Pruned"


class ExportSpec(ApiModel):
    torch_export: bool = Field(
        default=False,
        description="Write model.pt2, the graph in the format of torch.export, beside model.pt.",
    )
    variants: Annotated[tuple[Variant, ...], Field(max_length=2)] = Field(
        default=(),
        description="Smaller forms of the deep ranker to try: Int8 (tables in whole numbers of 8 "
        "bits), Pruned (the largest item-to-item weights alone). The smallest that passes serves.",
    )
    keep: float = Field(
        default=0.1, gt=0, le=1, description="Share of each item's weights that Pruned keeps."
    )
    max_auc_loss: float = Field(
        default=0.002,
        ge=0,
        le=1,
        description="Most AUC that a variant may lose on the validation window, by the worse end "
        "of the 95 % interval of the paired difference.",
    )
    max_ndcg_loss: float = Field(
        default=0.005,
        ge=0,
        le=1,
        description="The same for NDCG@10, which the lists are judged by.",
    )
    min_saving: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="Share by which a variant has to be smaller or faster than the full graph; in "
        "the other it may not be worse by as much.",
    )
