"""What champion and previous version lose on the same rows, in the status of a `ModelVersion`."""

from __future__ import annotations

import datetime

from pydantic import Field

from recommender_contract.resource.base import ApiModel


class PreviousComparison(ApiModel):
    champion_digest: str = Field(max_length=80, description="Digest of the champion's artifact.")
    digest: str = Field(max_length=80, description="Digest of the previous version's artifact.")
    message: str = Field(default="", max_length=1024, description="Why they were not compared.")
    rows: int = Field(
        default=0,
        ge=0,
        description="Rows of the test window that neither was trained on; they are compared on "
        "these.",
    )
    users: int = Field(default=0, ge=0, description="Users of these rows.")
    since: datetime.datetime | None = Field(default=None, description="Time of the first row.")
    until: datetime.datetime | None = Field(default=None, description="Time of the last row.")
    log_loss: float = Field(
        default=0.0, allow_inf_nan=False, description="Log loss of the previous version, in nats."
    )
    champion_log_loss: float = Field(
        default=0.0, allow_inf_nan=False, description="Log loss of the champion."
    )
    gain_low: float = Field(
        default=0.0,
        allow_inf_nan=False,
        description="Lower end of the 98 % interval, over users, of what the previous version's "
        "log loss is below the champion's.",
    )
    gain_high: float = Field(default=0.0, allow_inf_nan=False, description="Upper end of it.")
    auc: float = Field(
        default=0.0, allow_inf_nan=False, description="AUC of the previous version."
    )
    champion_auc: float = Field(
        default=0.0, allow_inf_nan=False, description="AUC of the champion."
    )
