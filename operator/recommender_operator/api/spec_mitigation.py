"""What is done about unfair answers: `spec.training.mitigation`.

The other side of this contract is `recommender_training.config.mitigation`; a test holds the
defaults and limits of both together.
"""

from __future__ import annotations

import enum

from pydantic import Field

from recommender_operator.api.base import ApiModel


class Dimension(enum.StrEnum):
    AGE = "Age"
    GENDER = "Gender"
    SEGMENT = "Segment"


class ItemGrouping(enum.StrEnum):
    GENRE = "Genre"
    POPULARITY = "Popularity"


class Reweighting(ApiModel):
    by: Dimension = Field(
        default=Dimension.AGE,
        description="Groups of users: age bands, genders, or the segments of the users table.",
    )
    label_strength: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="How far rows are weighed so that the response says nothing of the group "
        "(Kamiran and Calders): 0 not at all, 1 in full.",
    )
    size_strength: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="How far rows are weighed so that each group counts the same: 0 not at all, "
        "1 in full.",
    )
    max_weight: float = Field(
        default=10.0,
        ge=1,
        le=100,
        description="No row weighs more than this or less than its inverse; the mean is 1.",
    )


class Exposure(ApiModel):
    by: ItemGrouping = Field(
        default=ItemGrouping.GENRE,
        description="Groups of items: genres, or ten bands of popularity.",
    )
    min_exposure_ratio: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="Least share of the exposure of each group, in parts of its share of what is "
        "asked for; 0 changes nothing.",
    )
    max_bonus: float = Field(
        default=10.0,
        gt=0,
        le=20,
        description="Most that is added to the rank (a logit) of an item, and so the most that "
        "an item shown may be behind the one it displaces.",
    )


class MitigationSpec(ApiModel):
    reweighting: Reweighting | None = Field(
        default=None, description="Weigh the rows of a fit by the group of their user."
    )
    exposure: Exposure | None = Field(
        default=None,
        description="Raise the items of groups that are shown less than they are asked for.",
    )
