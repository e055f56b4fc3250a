"""Shifts of features inside segments of the sessions, in the status of a `RecommenderModel`."""

from __future__ import annotations

import datetime

from pydantic import Field

from recommender_contract.resource.base import ApiModel


class SegmentShift(ApiModel):
    feature: str = Field(max_length=64, description="Feature that shifted.")
    segment: str = Field(
        max_length=64, description="Feature with segments or fairness that divides the sessions."
    )
    value: str = Field(max_length=64, description="Its value, or band, whose sessions shifted.")
    message: str = Field(
        max_length=320, description="Shares of the newest window and of the training."
    )

    def __str__(self) -> str:
        return f"{self.feature} in {self.segment}={self.value}"


class SegmentShifts(ApiModel):
    compared_with: str = Field(
        max_length=253, description="Data version of the champion's training."
    )
    until: datetime.datetime | None = Field(
        default=None, description="End of the newest day that was looked at."
    )
    segments: int = Field(default=0, ge=0, description="Segments with enough sessions for a test.")
    small: int = Field(default=0, ge=0, description="Segments with too few.")
    shifts: tuple[SegmentShift, ...] = Field(
        default=(),
        max_length=10,
        description="Confirmed shifts: consecutiveWindows windows of the segment in a row.",
    )
    more: int = Field(default=0, ge=0, description="Confirmed shifts that are not listed.")
    message: str = Field(
        default="", max_length=1024, description="Why nothing was compared; empty if it was."
    )
