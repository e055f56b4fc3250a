"""The record of the interleaving of a rollout in the status of its candidate."""

from __future__ import annotations

import datetime

from pydantic import Field

from recommender_contract.resource.base import ApiModel
from recommender_operator.api.spec_rollout import InterleavingSpec

#: The verdict of a phase that ends without an answer.
UNDECIDED = "Undecided"
MAX_MESSAGE = 1024


class InterleavingStatus(ApiModel):
    id: str = Field(max_length=8, description="Its id, by which the collector counts it.")
    plan: InterleavingSpec = Field(description="rollout.interleaving when it began.")
    waiting_since: datetime.datetime = Field(
        description="Since when it waits to begin. Without a service that it needs for 15 minutes "
        "it does not begin.",
    )
    started_at: datetime.datetime | None = Field(
        default=None, description="When the route reported it; absent before."
    )
    unmixed_since: datetime.datetime | None = Field(
        default=None,
        description="Since when no list is mixed because the candidate is not ready with the "
        "settings of this release; absent while it is. After 15 minutes the phase ends.",
    )
    ended_at: datetime.datetime | None = Field(default=None, description="End of the phase.")
    verdict: str = Field(
        default="",
        max_length=32,
        description="Preferred, NotWorse, Worse, KeepRunning, Undecided or Error.",
    )
    message: str = Field(
        default="",
        max_length=MAX_MESSAGE,
        description="Its numbers in words, and why it ended without an answer.",
    )
    users: int = Field(
        default=0, ge=0, description="Users of the phase who were shown a list, mixed or not."
    )
    clicked: int = Field(
        default=0,
        ge=0,
        description="Users of them who clicked an item that one of the versions gave.",
    )
    preference: float | None = Field(
        default=None,
        description="Mean over these users of the clicks on the candidate's items less those on "
        "the champion's, over their sum: -1 to 1.",
    )
    low: float | None = Field(
        default=None, description="Lower end of its interval, which holds over all looks."
    )
    high: float | None = Field(default=None, description="Upper end of its interval.")
    judged_at: datetime.datetime | None = Field(
        default=None, description="When the numbers were written."
    )
    answered_at: datetime.datetime | None = Field(
        default=None,
        description="When the collector last had numbers. Without any for 15 minutes the phase "
        "ends.",
    )

    @property
    def runs(self) -> bool:
        """Whether users see mixed lists."""
        return self.started_at is not None and self.ended_at is None

    def ended(self, at: datetime.datetime, why: str) -> InterleavingStatus:
        """Return the record of a phase that something else than its numbers ends."""
        message = f"{why}: {self.message}" if self.message else why
        values = {"ended_at": at, "verdict": UNDECIDED, "message": message[:MAX_MESSAGE]}
        return self.model_copy(update=values)
