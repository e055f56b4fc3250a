"""What labels say about a champion, in the status of a `RecommenderModel`."""

from __future__ import annotations

import datetime

from pydantic import Field

from recommender_contract.resource.base import ApiModel


class LabelSegment(ApiModel):
    feature: str = Field(max_length=64, description="Feature with segments or fairness.")
    value: str | None = Field(
        default=None, max_length=64, description="Its value; absent: all but the first ten."
    )
    users: int = Field(ge=0, description="Users of the last window, each counted once a day.")
    log_loss: float = Field(description="Log loss in the last window, in nats.")
    reference_log_loss: float = Field(description="Log loss in its first week.")
    breaches_in_a_row: int = Field(
        default=0, ge=0, description="Windows in a row in which its loss or calibration drifted."
    )
    failed: bool = Field(default=False, description="Whether the last window is one of these.")
    message: str = Field(max_length=1024, description="Numbers of the last window.")


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
    segments: tuple[LabelSegment, ...] = Field(
        default=(),
        max_length=33,
        description="Segments with enough users in the last window: values, or bands, of features "
        "with segments or fairness.",
    )
