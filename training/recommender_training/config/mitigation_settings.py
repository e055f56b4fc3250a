"""The section `training.mitigation`.

The other side of this contract is `recommender_operator.api.spec_mitigation`; a test holds the
defaults and limits of both together.
"""

from __future__ import annotations

from pydantic import Field

from recommender_training.common.section import Section

#: Groups beside those of the declared features: users by segment, items by popularity.
SEGMENT, POPULARITY = "Segment", "Popularity"


class Reweighting(Section):
    """Weights of training rows by the group of their user; strengths of 0 leave them at 1."""

    #: Segment, or a declared feature of the users.
    by: str = Field(
        default=SEGMENT, pattern=rf"^({SEGMENT}|[a-z][a-z0-9_]{{0,39}})$", max_length=40
    )
    label_strength: float = Field(default=1.0, ge=0, le=1)
    size_strength: float = Field(default=0.0, ge=0, le=1)
    max_weight: float = Field(default=10.0, ge=1, le=100)

    @property
    def active(self) -> bool:
        """True if any weight can differ from 1."""
        return max(self.label_strength, self.size_strength) > 0 and self.max_weight > 1


class Exposure(Section):
    """Least exposure of an item group relative to its demand; 0 disables the constraint."""

    #: Popularity, or a declared feature of the items.
    by: str = Field(
        default=POPULARITY, pattern=rf"^({POPULARITY}|[a-z][a-z0-9_]{{0,39}})$", max_length=40
    )
    min_exposure_ratio: float = Field(default=0.8, ge=0, le=1)
    max_bonus: float = Field(default=10.0, gt=0, le=20)

    @property
    def active(self) -> bool:
        """True if the constraint can change a list."""
        return self.min_exposure_ratio > 0


class Mitigation(Section):
    """Measures against unfair answers; each is optional."""

    reweighting: Reweighting | None = None
    exposure: Exposure | None = None
