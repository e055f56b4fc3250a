"""A new calibration of a served version, in the status of a model and the spec of a version."""

from __future__ import annotations

import datetime

from pydantic import Field

from recommender_contract.resource.base import ApiModel


class Recalibration(ApiModel):
    of: str = Field(max_length=253, description="Version whose network it has.")
    slope: float = Field(
        gt=0, description="What the log-odds of its probabilities are multiplied by."
    )
    shift: float = Field(description="What is added to them.")
    total_slope: float = Field(
        gt=0,
        description="The same slope from the network as it was trained: that of `of`, if it is "
        "recalibrated itself, with this one.",
    )
    total_shift: float = Field(description="The shift from the network as it was trained.")
    since: datetime.datetime = Field(description="Start of the first day that it is fitted to.")
    judged_since: datetime.datetime = Field(
        description="Start of the last window, which judges it; the fit ends there."
    )
    through: datetime.datetime = Field(description="End of the last window.")
    users: int = Field(ge=0, description="Users of the last window; a user counts once a day.")
    labels: int = Field(ge=0, description="Positive labels of the last window.")
    ratio: float = Field(
        description="Positive labels for each expected one in the last window, as served."
    )
    ratio_after: float = Field(description="The same with the new calibration.")
    gain: float = Field(
        description="Log loss that it saves in the last window, in nats per prediction."
    )
    gain_low: float = Field(description="Lower end of its 95 % interval over users.")
    gain_high: float = Field(description="Upper end of its 95 % interval over users.")
