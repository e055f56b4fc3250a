"""Mitigation of unfair recommendations: `spec.training.mitigation`."""

from __future__ import annotations

from pydantic import Field

from recommender_contract.resource.base import ApiModel

#: Groups of users and of items beside those of the declared features.
SEGMENT, POPULARITY = "Segment", "Popularity"


class Reweighting(ApiModel):
    by: str = Field(
        default=SEGMENT,
        pattern=rf"^({SEGMENT}|[a-z][a-z0-9_]{{0,39}})$",
        max_length=40,
        description="Groups of users: Segment, the segments of the users table, or the name of a "
        "declared feature of the users, by category or band.",
    )
    label_strength: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="How strongly to reweight rows so that the response is independent of the "
        "group (Kamiran and Calders): from 0, not at all, to 1, fully.",
    )
    size_strength: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="How strongly to reweight rows so that all groups have the same total "
        "weight: from 0, not at all, to 1, fully.",
    )
    max_weight: float = Field(
        default=10.0,
        ge=1,
        le=100,
        description="Maximum weight of a row; the minimum is its inverse, the mean is 1.",
    )

    @property
    def active(self) -> bool:
        """True if any weight can differ from 1."""
        return max(self.label_strength, self.size_strength) > 0 and self.max_weight > 1


class Exposure(ApiModel):
    by: str = Field(
        default=POPULARITY,
        pattern=rf"^({POPULARITY}|[a-z][a-z0-9_]{{0,39}})$",
        max_length=40,
        description="Groups of items: Popularity, ten bands, or the name of a declared feature "
        "of the items, by category or band.",
    )
    min_exposure_ratio: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="Minimum ratio of each group's share of exposure to its share of demand; 0 "
        "changes nothing.",
    )
    max_bonus: float = Field(
        default=10.0,
        gt=0,
        le=20,
        description="Maximum bonus added to the ranking logit of an item. A recommended item is "
        "at most this much below the one that it displaces.",
    )

    @property
    def active(self) -> bool:
        """True if the constraint can change a list."""
        return self.min_exposure_ratio > 0


class MitigationSpec(ApiModel):
    reweighting: Reweighting | None = Field(
        default=None, description="Weight the training rows by the group of their user."
    )
    exposure: Exposure | None = Field(
        default=None,
        description="Raise items of groups whose exposure is below their demand.",
    )
