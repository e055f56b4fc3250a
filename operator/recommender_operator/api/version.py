"""A `ModelVersion`: the record of one trained version, from data to decision.

Its spec is what made it and never changes. Its status is written by the operator alone and carries
the lineage, the metrics, the gates, the rollout and the decision with its numbers.
"""

from __future__ import annotations

import datetime
import enum

from pydantic import Field

from recommender_operator.api.base import ApiModel
from recommender_operator.api.spec import DataSpec, TrainingSpec


class VersionStage(enum.StrEnum):
    PENDING = "Pending"
    CHECKING_DATA = "CheckingData"
    TRAINING = "Training"
    EVALUATING = "Evaluating"
    PUBLISHING = "Publishing"
    PUBLISHED = "Published"
    DEPLOYING = "Deploying"
    SMOKE_TESTING = "SmokeTesting"
    CANARY = "Canary"
    PROMOTED = "Promoted"
    # Ends. Only PROMOTED may serve as champion.
    FAILED = "Failed"
    REJECTED = "Rejected"
    ROLLED_BACK = "RolledBack"
    SUPERSEDED = "Superseded"


#: Stages that no longer move by themselves.
TERMINAL = frozenset(
    {
        VersionStage.PROMOTED,
        VersionStage.FAILED,
        VersionStage.REJECTED,
        VersionStage.ROLLED_BACK,
        VersionStage.SUPERSEDED,
    }
)


class ModelVersionSpec(ApiModel):
    model: str = Field(max_length=253, description="Name of the RecommenderModel.")
    spec_hash: str = Field(max_length=64, description="Digest of data, training and trigger.")
    data: DataSpec = Field(description="Data section at creation.")
    training: TrainingSpec = Field(description="Training section at creation.")
    trigger: str = Field(
        default="Spec", max_length=1024, description="What asked for it: Spec or a retraining."
    )


class Lineage(ApiModel):
    data_version: str = Field(max_length=253, description="Table version and content digest.")
    data_rows: int = Field(ge=0, description="Rows in the training window.")
    quarantined_rows: int = Field(default=0, ge=0, description="Rows set aside with a reason.")
    code_version: str = Field(default="", max_length=253, description="Of the training package.")
    seed: int | None = Field(default=None, description="Seed of the run.")


class SearchResult(ApiModel):
    sampler: str = Field(max_length=32, description="How settings were chosen.")
    trials: int = Field(ge=0, description="Settings that were tried.")
    pruned: int = Field(default=0, ge=0, description="Trials that were ended early.")
    failed: int = Field(
        default=0, ge=0, description="Trials whose loss diverged or whose process died."
    )
    folds: int = Field(default=1, ge=1, description="Folds that each trial was judged on.")
    best_trial: int = Field(ge=0, description="Number of the chosen trial.")
    best_log_loss: float = Field(
        description="Its validation log loss, mean of the folds. It flatters: it is the least."
    )
    given_log_loss: float | None = Field(
        default=None, description="The same of the settings that the spec gives."
    )
    hyperparameters: dict[str, float] = Field(
        default={}, description="The settings that were searched, as chosen."
    )
    seeds: int = Field(default=1, ge=1, description="Fits of the chosen settings.")
    seed_log_loss_deviation: float | None = Field(
        default=None, description="Standard deviation of their validation log loss."
    )
    seed_auc_deviation: float | None = Field(
        default=None, description="Standard deviation of their validation AUC."
    )


class DataWarning(ApiModel):
    check: str = Field(max_length=63, description="The check that did not hold.")
    feature: str = Field(max_length=320, description="Table and column, or feature of sessions.")
    value: str = Field(max_length=1024, description="What was found, in words and numbers.")


class DataChecked(ApiModel):
    compared_with: str | None = Field(
        default=None, max_length=253, description="Data version compared with; none if absent."
    )
    passed: int = Field(default=0, ge=0, description="Checks that held.")
    warned: int = Field(default=0, ge=0, description="Checks that warn.")
    warnings: tuple[DataWarning, ...] = Field(
        default=(), max_length=50, description="The first of these; all are in the lake."
    )


class Artifact(ApiModel):
    path: str = Field(max_length=1024, description="Folder of the version inside the claim.")
    digest: str = Field(
        max_length=80, description="sha256 of manifest.json, which lists every file."
    )


class Comparison(ApiModel):
    digest: str = Field(max_length=80, description="Of the artifact of that champion.")
    compared: bool = Field(description="Whether it answered on the same rows.")
    saw_test_rows: int | None = Field(
        default=None,
        ge=0,
        description="Rows of this version's test window that the champion was fitted on.",
    )
    message: str = Field(default="", max_length=1024, description="Why it was not compared.")


class GateResult(ApiModel):
    metric: str = Field(max_length=63, description="The gated metric.")
    value: float | None = Field(default=None, description="Measured; absent if not measured.")
    low: float | None = Field(default=None, description="Low end of its 95 % interval.")
    high: float | None = Field(default=None, description="High end of its 95 % interval.")
    threshold: str = Field(max_length=253, description="What was asked, in words and numbers.")
    passed: bool = Field(description="Whether it held.")
    message: str = Field(
        default="",
        max_length=1024,
        description="Why it could not be judged, and the remedy; or what weakens the comparison.",
    )


class MetricVerdict(ApiModel):
    metric: str = Field(max_length=63, description="What was judged.")
    verdict: str = Field(max_length=32, description="Pass, Fail, Inconclusive or Error.")
    value: float | None = Field(default=None, description="Of the candidate.")
    stable_value: float | None = Field(default=None, description="Of the stable version.")
    threshold: str = Field(max_length=253, description="What was asked, in words and numbers.")
    sample_size: int = Field(default=0, ge=0, description="Requests behind the value.")
    message: str = Field(default="", max_length=1024, description="In words, if there is more.")


class StepRecord(ApiModel):
    number: int = Field(default=0, ge=0, description="Its number in the model's order.")
    weight: int = Field(description="Percent of requests for the candidate.")
    started_at: datetime.datetime = Field(description="When the route reported the weight.")
    ended_at: datetime.datetime | None = Field(default=None, description="When it was decided.")
    judged_at: datetime.datetime | None = Field(
        default=None, description="When its verdict and its numbers were written."
    )
    verdict: str = Field(default="Inconclusive", max_length=32, description="Of the step.")
    metrics: tuple[MetricVerdict, ...] = Field(
        default=(), max_length=20, description="Each metric with its numbers."
    )


class Interruptions(ApiModel):
    restarts: int = Field(
        default=0, ge=0, description="Restarts of its containers since its rollout began."
    )
    withdrawals: int = Field(
        default=0,
        ge=0,
        description="Times its requests were taken away because it was not ready.",
    )
    cause: str = Field(
        default="", max_length=1024, description="How the container that restarted last ended."
    )
    seen: int = Field(
        default=0, ge=0, description="Restarts that its pods counted at the last look."
    )

    @property
    def count(self) -> int:
        """Interruptions of the rollout: a crash is seen as a restart and as a withdrawal."""
        return max(self.restarts, self.withdrawals)


class Smoke(ApiModel):
    passed: bool = Field(description="Whether the smoke inference held.")
    message: str = Field(default="", max_length=2048, description="What was seen.")
    at: datetime.datetime = Field(description="When.")
    service: str = Field(
        default="", max_length=253, description="Identity (uid) of the service that answered."
    )


class VersionDecision(ApiModel):
    outcome: str = Field(
        max_length=32, description="Promoted, RolledBack, Rejected, Failed or Superseded."
    )
    reason: str = Field(max_length=253, description="CamelCase cause.")
    message: str = Field(max_length=8192, description="In words, with the numbers.")
    at: datetime.datetime = Field(description="When it was decided.")
    sequence: int = Field(default=0, ge=0, description="Its number in the model's order.")
    automatic: bool = Field(default=True, description="False when a human asked for it.")
    stage: VersionStage | None = Field(default=None, description="Where it stood until then.")


class ModelVersionStatus(ApiModel):
    stage: VersionStage = Field(default=VersionStage.PENDING, description="Where it stands.")
    stage_since: datetime.datetime | None = Field(default=None, description="Since when.")
    promoted_at: datetime.datetime | None = Field(
        default=None, description="Time of the last promotion or rollbackTo."
    )
    promotion: int = Field(
        default=0,
        ge=0,
        description="Number of that promotion in the model's order; the highest is the champion.",
    )
    rollout: int = Field(
        default=0, ge=0, description="Number of its last rollout in the model's order."
    )
    data_read: int = Field(
        default=0, ge=0, description="Number of its check of the data in the model's order."
    )
    group_since: datetime.datetime | None = Field(
        default=None, description="Since when its training of several pods runs."
    )
    attempt: int = Field(default=0, ge=0, description="Grows by retry; part of the Jobs' names.")
    lineage: Lineage | None = Field(default=None, description="Where it came from.")
    data_checks: DataChecked | None = Field(
        default=None, description="What the checks of the data said."
    )
    metrics: dict[str, float] = Field(default={}, description="Offline metrics of the report.")
    comparison: Comparison | None = Field(
        default=None, description="With the champion of the time of training, on the same rows."
    )
    search: SearchResult | None = Field(
        default=None, description="What the search for hyperparameters found, if there was one."
    )
    gates: tuple[GateResult, ...] = Field(
        default=(), max_length=20, description="Each offline gate with its numbers."
    )
    staged: Artifact | None = Field(
        default=None, description="What training left for publishing, once it has succeeded."
    )
    artifact: Artifact | None = Field(default=None, description="What is served.")
    smoke: Smoke | None = Field(default=None, description="Smoke inference.")
    weight: int = Field(default=0, ge=0, le=100, description="Percent of requests asked for.")
    unready_since: datetime.datetime | None = Field(
        default=None, description="Since when it is not ready in the midst of its rollout."
    )
    interruptions: Interruptions = Field(
        default=Interruptions(), description="What interrupted its rollout by its own fault."
    )
    approved_at: datetime.datetime | None = Field(
        default=None, description="When a human waived the remaining steps."
    )
    replaced: str | None = Field(
        default=None, max_length=253, description="Champion that it took over from."
    )
    steps: tuple[StepRecord, ...] = Field(
        default=(), max_length=40, description="The rollout, step by step."
    )
    decision: VersionDecision | None = Field(default=None, description="How it ended, and why.")
    failure: str | None = Field(
        default=None, max_length=8192, description="Last failure, with the end of the log."
    )
