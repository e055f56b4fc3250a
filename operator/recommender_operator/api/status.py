"""The status of a `RecommenderModel`: a projection of its versions, and some memory.

The `ModelVersion` objects (`api/version.py`) are the source of truth: the champion is the version
with the highest `promotion` number. So a promotion is one write, and a crash between two writes
cannot leave two champions.
"""

from __future__ import annotations

import datetime
import enum
from typing import Annotated

from pydantic import Field

from recommender_contract.job_reports import SegmentShifts
from recommender_contract.resource.base import ApiModel
from recommender_contract.resource.recalibration import Recalibration
from recommender_operator.api.spec import ConditionStatus
from recommender_operator.api.status_holdout import HoldoutStatus
from recommender_operator.api.status_labels import LabelDriftStatus

#: Maximum length of the copy of a champion's record, in characters.
MAX_RECORD = 262_144


class Stage(enum.StrEnum):
    """Stage of the lifecycle, for people; programs read the conditions."""

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
    type: str = Field(max_length=316, description="Type of the condition.")
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: str = Field(max_length=1024, description="Machine-readable cause, CamelCase.")
    message: str = Field(
        max_length=32768,
        description="Details with numbers and, if something is wrong, the remedy.",
    )
    observed_generation: int | None = Field(
        default=None, description="metadata.generation that this condition is based on."
    )
    last_transition_time: datetime.datetime = Field(
        description="When the status last changed.",
    )


class HandledAction(ApiModel):
    action: str = Field(
        max_length=63, description="abort, retry, promote, retrain, rollback-to or snapshot."
    )
    token: str = Field(max_length=253, description="Value of the annotation.")
    at: datetime.datetime = Field(description="When it was handled.")
    result: str = Field(max_length=1024, description="Its result.")


class ModelClock(ApiModel):
    observed_at: datetime.datetime = Field(description="Approximate time of the last reconcile.")
    time: datetime.datetime = Field(
        description="Model time at that moment; deadlines are measured in it. It leaves out "
        "periods that the operator did not observe, such as a jump of the wall clock."
    )
    pace_seconds: float = Field(
        ge=0, description="Interval at which it is written; reconciles are more frequent."
    )


class FeatureEffect(ApiModel):
    feature: str = Field(max_length=63, description="The feature.")
    effect: float = Field(
        ge=0, description="Largest distance of its values, or change of its missing share."
    )
    limit: float = Field(ge=0, description="Effect from which a significant shift counts.")


class DriftStatus(ApiModel):
    began: int = Field(
        default=0, ge=0, description="Sequence number of the current drift; 0 if there is none."
    )
    windows: int = Field(default=0, description="Windows evaluated since the champion took over.")
    breaches_in_a_row: int = Field(default=0, description="Windows in a row with a shift.")
    clear_in_a_row: int = Field(
        default=0, description="Windows in a row that are well below the limits."
    )
    candidate_breaks_in_a_row: int = Field(
        default=0, description="Windows in a row with a break of the candidate alone."
    )
    features: tuple[Annotated[str, Field(max_length=63)], ...] = Field(
        default=(), max_length=50, description="Features that shifted, worst first."
    )
    cause: str = Field(
        default="",
        max_length=32,
        description="InputShift, or SchemaBreak if most sessions lack a feature: until the drift "
        "ends, or consecutiveWindows shifted windows in a row have the features again.",
    )
    lacking: tuple[Annotated[str, Field(max_length=63)], ...] = Field(
        default=(), max_length=50, description="Features that most sessions of a window lacked."
    )
    lacking_at_first: tuple[Annotated[str, Field(max_length=63)], ...] | None = Field(
        default=None,
        max_length=50,
        description="Features that the champion's first window lacked; they are no break.",
    )
    unbroken_in_a_row: int = Field(
        default=0, ge=0, description="Shifted windows in a row without a break of the schema."
    )
    broken_since: datetime.datetime | None = Field(
        default=None, description="Time since which a break of the schema is confirmed."
    )
    labels: LabelDriftStatus | None = Field(
        default=None,
        description="Loss and calibration of the champion, compared with its first week; absent "
        "without outcomes of predictions.",
    )
    segments: SegmentShifts | None = Field(
        default=None,
        description="Features by segment since the champion's training, by the last snapshot; "
        "absent without data.snapshots, or without a feature with segments or fairness.",
    )
    effects: tuple[FeatureEffect, ...] = Field(
        default=(), max_length=20, description="Effects in the last window, largest first."
    )
    verdict: str = Field(
        default="Inconclusive", max_length=32, description="Verdict of the last window."
    )
    message: str = Field(default="", max_length=4096, description="Numbers of the last window.")
    window_at: datetime.datetime | None = Field(
        default=None, description="End of the last window."
    )
    reacted_at: datetime.datetime | None = Field(
        default=None, description="Time of the last reaction; the cooldown starts then."
    )


class RetrainStatus(ApiModel):
    token: str = Field(
        max_length=63,
        description="Token that is part of the hash in the names of versions trained for it.",
    )
    reason: str = Field(max_length=1024, description="Why it started.")
    requested_at: datetime.datetime = Field(description="When it started.")
    sequence: int = Field(
        default=0,
        ge=0,
        description="Sequence number of the request; promotions with a lower one are older. 0 if "
        "an operator without these numbers wrote it: times decide then.",
    )
    spec_hash: str = Field(
        default="",
        max_length=64,
        description="Digest of the data and training sections that it retrains; if they change, "
        "the retraining is void.",
    )
    version: str = Field(
        default="",
        max_length=253,
        description="Name of the version that it makes; empty if an earlier release started it.",
    )
    recalibration: Recalibration | None = Field(
        default=None,
        description="New calibration of the champion, instead of a training.",
    )


class SnapshotStatus(ApiModel):
    period: datetime.datetime | None = Field(
        default=None,
        description="Start of the latest hour or day with a successful or failed snapshot, or "
        "the minute of a later one requested by annotation.",
    )
    taken_at: datetime.datetime | None = Field(
        default=None, description="Time of the last snapshot."
    )
    data_version: str | None = Field(
        default=None,
        max_length=253,
        description="Its data version; set data.version to it to train on this snapshot.",
    )
    rows: int = Field(default=0, ge=0, description="Number of interactions in the last snapshot.")
    new_rows: int = Field(default=0, ge=0, description="Number of interactions that it added.")
    quarantined_rows: int = Field(
        default=0, ge=0, description="Number of rows that it quarantined."
    )
    kept: int = Field(
        default=0, ge=0, description="Number of snapshots that are available for training."
    )
    oldest: datetime.datetime | None = Field(
        default=None, description="Time of the oldest of them."
    )
    since_retraining: int = Field(
        default=0,
        ge=0,
        description="Snapshots with new rows since the last retraining that snapshots started.",
    )
    waits: str = Field(
        default="",
        max_length=1024,
        description="Why no retraining starts although there are enough snapshots.",
    )


class LastOutcome(ApiModel):
    version: str = Field(max_length=253, description="The last version with a decision.")
    outcome: str = Field(
        max_length=32, description="Promoted, RolledBack, Rejected, Failed or Superseded."
    )
    reason: str = Field(max_length=253, description="CamelCase cause.")
    summary: str = Field(max_length=320, description="Outcome and reason in one text.")
    sequence: int = Field(default=0, ge=0, description="Sequence number of the decision.")


class OperatorClaim(ApiModel):
    release: str = Field(
        max_length=317, description="Namespace and name of the Lease that its replicas share."
    )
    instance: str = Field(
        default="",
        max_length=63,
        description="Its instance, as in the label recommender.dev/instance of the model.",
    )


class RecommenderModelStatus(ApiModel):
    operator: OperatorClaim | None = Field(
        default=None, description="The operator release that manages this model."
    )
    observed_generation: int = Field(
        default=0, description="Last metadata.generation that the operator acted on."
    )
    stage: Stage = Field(
        default=Stage.PENDING,
        description="Stage of the lifecycle, for people; programs should use the conditions.",
    )
    champion: str | None = Field(
        default=None, max_length=253, description="Version that serves as stable."
    )
    champion_record: str = Field(
        default="",
        max_length=MAX_RECORD,
        description="Copy of its ModelVersion as JSON, from which it is created again if somebody "
        "removes it by force.",
    )
    candidate: str | None = Field(
        default=None, max_length=253, description="Version that is being trained or rolled out."
    )
    previous: str | None = Field(
        default=None, max_length=253, description="Former champion, kept warm."
    )
    champion_weight: int | None = Field(
        default=None, description="Percent of requests for the champion."
    )
    candidate_weight: int | None = Field(
        default=None, description="Percent of requests for the candidate; absent if there is none."
    )
    fresh_champion: str | None = Field(
        default=None,
        max_length=253,
        description="Fresh deployment of the champion beside the candidate; absent if none.",
    )
    fresh_champion_weight: int | None = Field(
        default=None, description="Its percent of requests, which are part of championWeight."
    )
    requested_memory: str | None = Field(
        default=None,
        max_length=20,
        description="Memory that the pods of all deployed versions request together, as a "
        "quantity; autoscaling may add more. Absent if none is deployed.",
    )
    last_outcome: LastOutcome | None = Field(
        default=None, description="Outcome of the last candidate."
    )
    verdict: str | None = Field(
        default=None, max_length=32, description="Last verdict of the analysis."
    )
    url: str | None = Field(default=None, max_length=253, description="Host name of requests.")
    route_pending_since: datetime.datetime | None = Field(
        default=None,
        description="Time since which the data plane has not applied the requested traffic split.",
    )
    consecutive_rollbacks: int = Field(default=0, description="Automatic rollbacks in a row.")
    rollbacks_counted_through: int = Field(
        default=0, ge=0, description="The count includes decisions up to this sequence number."
    )
    sequence: int = Field(
        default=0,
        ge=0,
        description="Last sequence number of a decision, rollout, step or drift; it defines "
        "their order.",
    )
    clock: ModelClock | None = Field(
        default=None, description="Model time, while a deadline is running."
    )
    restoring_since: datetime.datetime | None = Field(
        default=None,
        description="Time since which the operator waits for the version of a rollbackTo.",
    )
    locked: bool = Field(
        default=False,
        description="Whether the model waits for the annotation recommender.dev/retry.",
    )
    handled: tuple[HandledAction, ...] = Field(
        default=(), max_length=20, description="Latest annotation requests and their results."
    )
    drift: DriftStatus = Field(default=DriftStatus(), description="State of drift monitoring.")
    holdout: HoldoutStatus | None = Field(
        default=None, description="What the recommender gains, by events.holdout."
    )
    retrain: RetrainStatus | None = Field(default=None, description="Current retraining.")
    snapshots: SnapshotStatus | None = Field(
        default=None, description="State of scheduled snapshots."
    )
    conditions: tuple[Condition, ...] = Field(
        default=(), max_length=30, description="Conditions, with reasons and numbers."
    )
