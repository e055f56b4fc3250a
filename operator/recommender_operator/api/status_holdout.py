"""What the recommender gains over its fallbacks, in the status of a `RecommenderModel`."""

from __future__ import annotations

import datetime

from pydantic import Field

from recommender_contract.resource.base import ApiModel


class HoldoutGain(ApiModel):
    metric: str = Field(max_length=32, description="A metric of experiments.")
    holdout: float | None = Field(default=None, description="Its value over the holdout.")
    others: float | None = Field(default=None, description="Its value over the other users.")
    difference: float | None = Field(
        default=None, description="Relative difference of the others: 0.1 is 10 % more."
    )
    low: float | None = Field(
        default=None,
        description="Lower end of the 95 % interval, over all metrics and looks together; absent "
        "if unbounded.",
    )
    high: float | None = Field(default=None, description="Upper end of this interval.")


class HoldoutStatus(ApiModel):
    id: str = Field(max_length=8, description="Id of the measure.")
    since: datetime.datetime = Field(
        description="When the measure began: its first impression, or before that, when the "
        "setting was first seen."
    )
    observed_at: datetime.datetime | None = Field(
        default=None, description="When the numbers were read last."
    )
    users: int = Field(default=0, ge=0, description="Measured users of the holdout.")
    other_users: int = Field(default=0, ge=0, description="Measured other users.")
    gains: tuple[HoldoutGain, ...] = Field(
        default=(), max_length=5, description="What the recommender gains; never a verdict."
    )
    message: str = Field(
        default="", max_length=1024, description="The same in words, or why there is no number."
    )
