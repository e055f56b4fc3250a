"""The status of a `RecommenderModel`: a projection of its versions, plus a small memory.

The truth of the lifecycle lives in the `ModelVersion` objects (`api/version.py`): the champion is
the version with the newest `promotedAt`. So a promotion is one write, and a crash between two
writes cannot leave two champions.
"""

from __future__ import annotations

import datetime
import enum
from typing import Annotated

from pydantic import Field

from recommender_operator.api.base import ApiModel
from recommender_operator.api.spec import ConditionStatus


class Stage(enum.StrEnum):
    """Where the lifecycle stands, for people; programs read the conditions."""

    PENDING = "Pending"
    CHECKING_DATA = "CheckingData"
    TRAINING = "Training"
    EVALUATING = "Evaluating"
    PUBLISHING = "Publishing"
    DEPLOYING = "Deploying"
    SMOKE_TESTING = "SmokeTesting"
    CANARY = "Canary"
    SERVING = "Serving"
    PAUSED = "Paused"
    LOCKED = "Locked"
    FAILED = "Failed"
    DELETING = "Deleting"


class Condition(ApiModel):
    type: str = Field(max_length=316, description="Kind of the condition.")
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: str = Field(max_length=1024, description="Machine-readable cause, CamelCase.")
    message: str = Field(max_length=32768, description="What happens, with numbers and remedy.")
    observed_generation: int | None = Field(
        default=None, description="metadata.generation that this condition speaks of."
    )
    last_transition_time: datetime.datetime = Field(
        description="When the status last changed.",
    )


class HandledAction(ApiModel):
    action: str = Field(
        max_length=63, description="abort, retry, promote, rollback-to or snapshot."
    )
    token: str = Field(max_length=253, description="Value of the annotation.")
    at: datetime.datetime = Field(description="When it was handled.")
    result: str = Field(max_length=1024, description="What it did.")


class ModelClock(ApiModel):
    observed_at: datetime.datetime = Field(description="When the operator looked last, or nearly.")
    time: datetime.datetime = Field(
        description="Time of the model then: what deadlines are measured in. It differs from the "
        "clock on the wall by what nobody watched, such as a jump of that clock."
    )
    pace_seconds: float = Field(
        ge=0, description="It is written as often as this, and looks are closer together."
    )


class DriftStatus(ApiModel):
    began: int = Field(
        default=0, ge=0, description="Number of the drift in the model's order; 0 without one."
    )
    windows: int = Field(default=0, description="Windows judged since the champion took over.")
    breaches_in_a_row: int = Field(default=0, description="Windows in a row with a shift.")
    clear_in_a_row: int = Field(default=0, description="Windows in a row well below the limits.")
    candidate_breaks_in_a_row: int = Field(
        default=0, description="Windows in a row with a break on the candidate alone."
    )
    features: tuple[Annotated[str, Field(max_length=63)], ...] = Field(
        default=(), max_length=50, description="Features that shifted, the worst first."
    )
    verdict: str = Field(default="Inconclusive", max_length=32, description="Of the last window.")
    message: str = Field(default="", max_length=4096, description="Numbers of the last window.")
    window_at: datetime.datetime | None = Field(default=None, description="Last window's end.")
    reacted_at: datetime.datetime | None = Field(
        default=None, description="Last reaction, start of the cooldown."
    )


class RetrainStatus(ApiModel):
    token: str = Field(max_length=63, description="Part of the name of versions trained for it.")
    reason: str = Field(max_length=1024, description="Why it was started.")
    requested_at: datetime.datetime = Field(description="When it was started.")
    spec_hash: str = Field(
        default="",
        max_length=64,
        description="Digest of the data and training sections that it retrains; when they "
        "change, the retraining is no longer in force.",
    )


class SnapshotStatus(ApiModel):
    period: datetime.datetime | None = Field(
        default=None,
        description="Begin of the newest hour or day whose snapshot was taken or has failed, or "
        "the minute of a later one that was asked for by annotation.",
    )
    taken_at: datetime.datetime | None = Field(default=None, description="Of the last snapshot.")
    data_version: str | None = Field(
        default=None, max_length=253, description="What data.version takes to train on it."
    )
    rows: int = Field(default=0, ge=0, description="Interactions of the last snapshot.")
    new_rows: int = Field(default=0, ge=0, description="Of these, those that it brought.")
    quarantined_rows: int = Field(default=0, ge=0, description="Rows that it set aside.")
    kept: int = Field(default=0, ge=0, description="Snapshots that can be trained on.")
    oldest: datetime.datetime | None = Field(
        default=None, description="When the oldest of them was taken."
    )
    since_retraining: int = Field(
        default=0,
        ge=0,
        description="Snapshots with new rows since the last retraining for them.",
    )


class LastOutcome(ApiModel):
    version: str = Field(max_length=253, description="The last version that was decided on.")
    outcome: str = Field(
        max_length=32, description="Promoted, RolledBack, Rejected, Failed or Superseded."
    )
    reason: str = Field(max_length=253, description="CamelCase cause.")
    summary: str = Field(max_length=320, description="Outcome and reason in one.")
    sequence: int = Field(default=0, ge=0, description="Number of the decision.")


class OperatorClaim(ApiModel):
    release: str = Field(
        max_length=317, description="Namespace and name of the lease that its replicas share."
    )
    instance: str = Field(
        default="", max_length=63, description="Its instance, as in the model's label."
    )


class RecommenderModelStatus(ApiModel):
    operator: OperatorClaim | None = Field(
        default=None, description="The release of the operator that acts on this model."
    )
    observed_generation: int = Field(default=0, description="Last generation acted upon.")
    stage: Stage = Field(default=Stage.PENDING, description="Where the lifecycle stands.")
    champion: str | None = Field(
        default=None, max_length=253, description="Version that serves as stable."
    )
    candidate: str | None = Field(default=None, max_length=253, description="Version on its way.")
    previous: str | None = Field(
        default=None, max_length=253, description="Former champion, kept warm."
    )
    champion_weight: int | None = Field(
        default=None, description="Percent of requests for the champion."
    )
    candidate_weight: int | None = Field(
        default=None, description="Percent of requests for the candidate; absent without one."
    )
    last_outcome: LastOutcome | None = Field(
        default=None, description="What became of the last candidate."
    )
    verdict: str | None = Field(
        default=None, max_length=32, description="Last verdict of the analysis."
    )
    url: str | None = Field(default=None, max_length=253, description="Host name of requests.")
    route_pending_since: datetime.datetime | None = Field(
        default=None, description="Since when the split asked for is not what the data plane does."
    )
    consecutive_rollbacks: int = Field(default=0, description="Automatic rollbacks in a row.")
    rollbacks_counted_through: int = Field(
        default=0, ge=0, description="Decisions up to this number are in the count."
    )
    sequence: int = Field(
        default=0,
        ge=0,
        description="Last number given to a decision, a rollout, a step or a drift: their order.",
    )
    clock: ModelClock | None = Field(
        default=None, description="Time of the model, while it waits for something."
    )
    restoring_since: datetime.datetime | None = Field(
        default=None, description="Since when the version of a rollbackTo is waited for."
    )
    locked: bool = Field(default=False, description="Waits for a human (annotation retry).")
    handled: tuple[HandledAction, ...] = Field(
        default=(), max_length=20, description="Last requests by annotation and their results."
    )
    drift: DriftStatus = Field(default=DriftStatus(), description="State of the drift watch.")
    retrain: RetrainStatus | None = Field(default=None, description="Retraining in force.")
    snapshots: SnapshotStatus | None = Field(
        default=None, description="What the schedule of snapshots has done."
    )
    conditions: tuple[Condition, ...] = Field(
        default=(), max_length=20, description="Why, in words and numbers."
    )
