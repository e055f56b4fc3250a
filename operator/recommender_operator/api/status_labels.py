"""What labels say about a champion, in the status of a `RecommenderModel`."""

from __future__ import annotations

import datetime

from pydantic import Field

from recommender_operator.api.base import ApiModel


class LabelDriftStatus(ApiModel):
    verdict: str = Field(max_length=32, description="Verdict of the last window.")
    cause: str = Field(
        default="", max_length=32, description="LossRise or CalibrationDrift; empty if neither."
    )
    message: str = Field(max_length=4096, description="Numbers of the last window.")
    windows: int = Field(default=0, ge=0, description="Windows after the champion's first week.")
    breaches_in_a_row: int = Field(
        default=0,
        ge=0,
        description="Windows in a row with a rise of the loss or a miscalibration.",
    )
    through: datetime.datetime | None = Field(
        default=None, description="End of the last day that the last window covers."
    )
    acts_until: datetime.datetime | None = Field(
        default=None,
        description="Two weeks after its labels have arrived; then its row ends.",
    )
    since: datetime.datetime | None = Field(
        default=None,
        description="Start of the first window of the row; a version whose data was read later "
        "is not blocked.",
    )
