"""A `ModelVersion`: the record of one trained version, from data to decision.

Its spec is immutable. Only the operator writes its status: lineage, metrics, gates, rollout and
decision.
"""

from __future__ import annotations

import datetime
import enum

from pydantic import Field

from recommender_contract.job_reports import SearchResult
from recommender_contract.resource.base import ApiModel
from recommender_contract.resource.recalibration import Recalibration
from recommender_operator.api.spec import DataSpec, TrainingSpec
from recommender_operator.api.version_experiment import ExperimentStatus
from recommender_operator.api.version_interleaving import InterleavingStatus
from recommender_operator.api.version_previous import PreviousComparison
from recommender_operator.api.version_requests import KeptRequests


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
    # Final stages. Only PROMOTED may serve as champion.
    FAILED = "Failed"
    REJECTED = "Rejected"
    ROLLED_BACK = "RolledBack"
    SUPERSEDED = "Superseded"


#: Final stages.
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
    spec_hash: str = Field(
        max_length=64, description="Digest of the sections data and training, and of the trigger."
    )
    data: DataSpec = Field(description="Data section at creation.")
    training: TrainingSpec = Field(description="Training section at creation.")
    trigger: str = Field(
        default="Spec",
        max_length=1024,
        description="Why it was created: Spec, or the reason of a retraining.",
    )
    recalibration: Recalibration | None = Field(
        default=None,
        description="If present, it is another version with a new calibration, and not trained.",
    )


class Lineage(ApiModel):
    data_version: str = Field(
        max_length=253,
        description="Data version: versions of the tables and a digest of their rows.",
    )
    data_rows: int = Field(ge=0, description="Rows in the training window.")
    quarantined_rows: int = Field(default=0, ge=0, description="Quarantined rows.")
    code_version: str = Field(
        default="", max_length=253, description="Version of the training package."
    )
    seed: int | None = Field(default=None, description="Seed of the run.")
    recalibrated_from: str | None = Field(
        default=None,
        max_length=253,
        description="Version whose network it has, with a new calibration.",
    )


class DataWarning(ApiModel):
    check: str = Field(max_length=63, description="The failed check.")
    feature: str = Field(max_length=320, description="Table and column, or session feature.")
    value: str = Field(max_length=1024, description="The finding, in words and numbers.")


class DataChecked(ApiModel):
    compared_with: str | None = Field(
        default=None,
        max_length=253,
        description="Data version that it was compared with; none if absent.",
    )
    passed: int = Field(default=0, ge=0, description="Number of checks that passed.")
    warned: int = Field(default=0, ge=0, description="Number of checks that warned.")
    warnings: tuple[DataWarning, ...] = Field(
        default=(), max_length=50, description="The first warnings; the lake contains all."
    )


class Artifact(ApiModel):
    path: str = Field(max_length=1024, description="Folder of the version in the claim.")
    digest: str = Field(
        max_length=80, description="sha256 of manifest.json, which lists every file."
    )


class Comparison(ApiModel):
    digest: str = Field(max_length=80, description="Digest of that champion's artifact.")
    compared: bool = Field(description="Whether it was evaluated on the same rows.")
    saw_test_rows: int | None = Field(
        default=None,
        ge=0,
        description="Rows of this version's test window that the champion was trained on.",
    )
    message: str = Field(default="", max_length=1024, description="Why it was not compared.")


class GateResult(ApiModel):
    metric: str = Field(max_length=63, description="The gated metric.")
    value: float | None = Field(
        default=None, description="Measured value; absent if not measured."
    )
    low: float | None = Field(default=None, description="Lower end of its 95 % interval.")
    high: float | None = Field(default=None, description="Upper end of its 95 % interval.")
    minimum: float | None = Field(default=None, description="Its `min`, if the gate has one.")
    maximum: float | None = Field(default=None, description="Its `max`, if the gate has one.")
    threshold: str = Field(max_length=253, description="The requirement, in words and numbers.")
    passed: bool = Field(description="Whether it passed.")
    message: str = Field(
        default="",
        max_length=1024,
        description="Why it could not be evaluated, and the remedy; or what limits the "
        "comparison.",
    )


class MetricVerdict(ApiModel):
    metric: str = Field(max_length=63, description="The evaluated metric.")
    verdict: str = Field(max_length=32, description="Pass, Fail, Inconclusive or Error.")
    value: float | None = Field(default=None, description="Value of the candidate.")
    low: float | None = Field(
        default=None,
        description="Lower end of its interval, which holds over all looks at the level of the "
        "test; absent if unbounded.",
    )
    high: float | None = Field(default=None, description="Upper end of its interval.")
    limit: float | None = Field(
        default=None,
        description="Limit of the value as a number; it may depend on the stable version's value.",
    )
    stable_value: float | None = Field(default=None, description="Value of the stable version.")
    threshold: str = Field(max_length=253, description="The requirement, in words and numbers.")
    sample_size: int = Field(
        default=0, ge=0, description="Number of requests that the value is based on."
    )
    message: str = Field(default="", max_length=1024, description="Further explanation, if any.")


class StepRecord(ApiModel):
    number: int = Field(default=0, ge=0, description="Its sequence number.")
    weight: int = Field(
        description="Percent of requests for the candidate; 0 in the shadow phase, in which it "
        "answers copies."
    )
    started_at: datetime.datetime = Field(description="When the route reported the weight.")
    ended_at: datetime.datetime | None = Field(default=None, description="Time of the decision.")
    judged_at: datetime.datetime | None = Field(
        default=None, description="When its verdict and numbers were written."
    )
    verdict: str = Field(default="Inconclusive", max_length=32, description="Verdict of the step.")
    passed_until: datetime.datetime | None = Field(
        default=None,
        description="When its verdict last changed from Pass to another one, or its window began "
        "again without a fresh champion; its deadline begins again then.",
    )
    metrics: tuple[MetricVerdict, ...] = Field(
        default=(), max_length=20, description="The metrics with their numbers."
    )
    fresh_champion: bool | None = Field(
        default=None,
        description="Whether the stable values are those of a fresh deployment of the champion.",
    )

    @property
    def is_shadow(self) -> bool:
        """Whether the candidate answers only copies of users' requests."""
        return self.weight == 0


class Interruptions(ApiModel):
    restarts: int = Field(
        default=0, ge=0, description="Restarts of its containers since its rollout started."
    )
    withdrawals: int = Field(
        default=0,
        ge=0,
        description="Number of times its traffic was withdrawn because it was not ready.",
    )
    cause: str = Field(
        default="", max_length=1024, description="How the last restarted container terminated."
    )
    seen: int = Field(
        default=0, ge=0, description="Restart count of its pods at the last reconcile."
    )

    @property
    def count(self) -> int:
        """Number of interruptions; a crash may count as a restart and as a withdrawal."""
        return max(self.restarts, self.withdrawals)


class Standby(ApiModel):
    version: str = Field(max_length=253, description="Version that answers in its place.")
    since: datetime.datetime = Field(description="Start of the takeover.")
    ready_since: datetime.datetime | None = Field(
        default=None, description="Time since which the champion is ready again."
    )
    until: datetime.datetime | None = Field(
        default=None, description="Return of the champion; absent while the standby answers."
    )
    count: int = Field(
        default=1,
        ge=1,
        le=100000,
        description="Number of takeovers in a row; the champion must hold for longer after each.",
    )

    @property
    def active(self) -> bool:
        """Whether the standby answers now."""
        return self.until is None


class FreshChampion(ApiModel):
    version: str = Field(max_length=253, description="Champion that it is a deployment of.")
    unready_since: datetime.datetime | None = Field(
        default=None,
        description="Time since which it has no requests: until it is ready and a step begins. "
        "Absent while it serves.",
    )
    impaired_since: datetime.datetime | None = Field(
        default=None,
        description="Time since which only some of its pods are ready, or its counters are "
        "missing; absent if neither is so.",
    )
    outages: int = Field(
        default=0, ge=0, description="Number of times that it failed while it served."
    )
    given_up: str = Field(
        default="",
        max_length=1024,
        description="Why the rollout goes on without it, compared with the champion's other pods.",
    )

    @property
    def serves(self) -> bool:
        """Whether it has a share of the requests, with which the steps compare the candidate."""
        return self.unready_since is None and not self.given_up


class Smoke(ApiModel):
    passed: bool = Field(description="Whether the smoke inference passed.")
    message: str = Field(default="", max_length=2048, description="Details.")
    at: datetime.datetime = Field(description="Time of the smoke inference.")
    service: str = Field(
        default="", max_length=253, description="uid of the service that answered."
    )


class VersionDecision(ApiModel):
    outcome: str = Field(
        max_length=32, description="Promoted, RolledBack, Rejected, Failed or Superseded."
    )
    reason: str = Field(max_length=253, description="CamelCase cause.")
    message: str = Field(max_length=8192, description="Explanation with the numbers.")
    at: datetime.datetime = Field(description="Time of the decision.")
    sequence: int = Field(default=0, ge=0, description="Its sequence number.")
    automatic: bool = Field(default=True, description="False if a person requested it.")
    stage: VersionStage | None = Field(default=None, description="Stage before the decision.")


class ModelVersionStatus(ApiModel):
    stage: VersionStage = Field(default=VersionStage.PENDING, description="Current stage.")
    stage_since: datetime.datetime | None = Field(
        default=None, description="Time since which it is in this stage."
    )
    promoted_at: datetime.datetime | None = Field(
        default=None, description="Time of the last promotion or rollbackTo."
    )
    promotion: int = Field(
        default=0,
        ge=0,
        description="Sequence number of that promotion; the version with the highest is the "
        "champion.",
    )
    rollout: int = Field(default=0, ge=0, description="Sequence number of its last rollout.")
    data_read: int = Field(default=0, ge=0, description="Sequence number of its data check.")
    data_read_at: datetime.datetime | None = Field(
        default=None, description="End of its data check."
    )
    group_since: datetime.datetime | None = Field(
        default=None, description="Start of its training with several pods."
    )
    attempt: int = Field(
        default=0, ge=0, description="Incremented by retry; part of the names of its Jobs."
    )
    lineage: Lineage | None = Field(
        default=None, description="Data, code and seed that it was trained from."
    )
    data_checks: DataChecked | None = Field(
        default=None, description="Results of the data checks."
    )
    metrics: dict[str, float] = Field(default={}, description="Offline metrics.")
    comparison: Comparison | None = Field(
        default=None,
        description="Comparison with the champion at the time of training, on the same rows.",
    )
    previous: PreviousComparison | None = Field(
        default=None,
        description="Comparison of the champion with the version before it, on the same rows, if "
        "the training began while the champion's loss was over its limit.",
    )
    search: SearchResult | None = Field(
        default=None, description="Result of the hyperparameter search, if any."
    )
    gates: tuple[GateResult, ...] = Field(
        default=(),
        max_length=21,
        description="The offline gates with their numbers; that of a recalibration is the first.",
    )
    staged: Artifact | None = Field(
        default=None, description="Staged artifact of a successful training, before publishing."
    )
    artifact: Artifact | None = Field(default=None, description="Published artifact.")
    smoke: Smoke | None = Field(default=None, description="Result of the smoke inference.")
    weight: int = Field(
        default=0, ge=0, le=100, description="Percent of requests that it should receive."
    )
    unready_since: datetime.datetime | None = Field(
        default=None, description="Time since which it is not ready during its rollout."
    )
    interruptions: Interruptions = Field(
        default=Interruptions(), description="Interruptions of its rollout that it caused itself."
    )
    standby: Standby | None = Field(
        default=None,
        description="Last takeover by the former champion, while this champion was not ready.",
    )
    approved_at: datetime.datetime | None = Field(
        default=None, description="When a person skipped the remaining steps."
    )
    replaced: str | None = Field(
        default=None, max_length=253, description="Champion that it replaced."
    )
    steps: tuple[StepRecord, ...] = Field(
        default=(), max_length=40, description="Steps of the rollout."
    )
    experiment: ExperimentStatus | None = Field(
        default=None,
        description="Experiment of its rollout, if spec.rollout.experiment asked for one.",
    )
    interleaving: InterleavingStatus | None = Field(
        default=None,
        description="Interleaving before its first step, if rollout.interleaving asked for one.",
    )
    fresh_champion: FreshChampion | None = Field(
        default=None,
        description="Fresh deployment of the champion beside it, if rollout.freshChampion asked "
        "for one.",
    )
    requests: KeptRequests | None = Field(
        default=None,
        description="Requests to the model that were handled while it was the champion: a model "
        "that is restored from a backup has no status of its own.",
    )
    decision: VersionDecision | None = Field(default=None, description="Outcome and its reason.")
    failure: str | None = Field(
        default=None, max_length=8192, description="Last failure, with the end of the log."
    )
