"""The section `training.export`.

The other side of this contract is `recommender_operator.api.spec_export`; a test holds the
defaults and limits of both together.
"""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from recommender_training.common.section import Section


class Variant(enum.StrEnum):
    """A smaller form of the deep ranker's graph."""

    INT8 = "Int8"
    PRUNED = "Pruned"


class ExportSettings(Section):
    """Variants of the graph to try, and the limits that one must meet.

    `keep` and the limits are shares from 0 to 1; `max_auc_loss` and `max_ndcg_loss` are absolute
    differences of the metric.
    """

    variants: Annotated[tuple[Variant, ...], Field(max_length=2)] = ()
    keep: float = Field(default=0.1, gt=0, le=1)
    max_auc_loss: float = Field(default=0.002, ge=0, le=1)
    max_ndcg_loss: float = Field(default=0.005, ge=0, le=1)
    min_saving: float = Field(default=0.1, gt=0, lt=1)
