"""Limits of lists: `spec.serving.diversity` and `spec.serving.exposure`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recommender_contract.features import NAME
from recommender_contract.resource.base import ApiModel


class Diversity(ApiModel):
    feature: str = Field(
        pattern=NAME,
        max_length=40,
        description="Declared feature of the items, with categories.",
    )
    max_per_category: int = Field(
        ge=1,
        le=200,
        description="Maximum number of items in an answer with the same category. An item with "
        "several categories counts in each.",
    )


class ListExposure(ApiModel):
    feature: str = Field(
        pattern=NAME,
        max_length=40,
        description="Declared feature of the items, with categories.",
    )
    categories: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        min_length=1, max_length=50, description="The group: items with one of these categories."
    )
    min_share: float = Field(
        gt=0,
        le=0.9,
        description="Minimum share of the group in each answer: of the first k items, k times "
        "minShare, rounded down, are of the group.",
    )
