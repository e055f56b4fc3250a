"""The section `training.mitigation`.

The other side of this contract is `recommender_operator.api.spec_mitigation`; a test holds the
defaults and limits of both together.
"""

from __future__ import annotations

import enum

from pydantic import Field

from recommender_training.common.section import Section


class Dimension(enum.StrEnum):
    """What parts the users into groups."""

    AGE = "Age"
    GENDER = "Gender"
    SEGMENT = "Segment"


class ItemGrouping(enum.StrEnum):
    """What parts the items into groups."""

    GENRE = "Genre"
    POPULARITY = "Popularity"


class Reweighting(Section):
    """How strongly rows are weighed by the group of their user; all at 0 weighs nothing."""

    by: Dimension = Dimension.AGE
    label_strength: float = Field(default=1.0, ge=0, le=1)
    size_strength: float = Field(default=0.0, ge=0, le=1)
    max_weight: float = Field(default=10.0, ge=1, le=100)

    @property
    def active(self) -> bool:
        """Whether any weight can differ from 1."""
        return max(self.label_strength, self.size_strength) > 0 and self.max_weight > 1


class Exposure(Section):
    """How much of what is asked for of an item group it is to be shown; 0 asks for nothing."""

    by: ItemGrouping = ItemGrouping.GENRE
    min_exposure_ratio: float = Field(default=0.8, ge=0, le=1)
    max_bonus: float = Field(default=10.0, gt=0, le=20)

    @property
    def active(self) -> bool:
        """Whether a list can change."""
        return self.min_exposure_ratio > 0


class Mitigation(Section):
    """Each part is left out where it is not wanted."""

    reweighting: Reweighting | None = None
    exposure: Exposure | None = None
