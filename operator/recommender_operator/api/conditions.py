"""The conditions of a `RecommenderModel`: types, reasons and transition times.

`kubectl describe` must be enough to understand what happens and what to do, so each message has
the numbers and, if something is wrong, the remedy.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterable

from recommender_operator.api.spec import ConditionStatus
from recommender_operator.api.status import Condition


class ConditionType(enum.StrEnum):
    """Condition types, in display order. Most are Unknown until they are first evaluated."""

    #: The champion serves; if spec.rollbackTo is set, it is that version.
    READY = "Ready"
    #: The champion is the version that the spec describes.
    UP_TO_DATE = "UpToDate"
    #: A champion is ready and receives requests.
    AVAILABLE = "Available"
    #: A version is on its way.
    PROGRESSING = "Progressing"
    # These four are about the candidate or, without one, the version that the spec describes.
    DATA_VALID = "DataValid"
    TRAINED = "Trained"
    GATES_PASSED = "GatesPassed"
    ANALYSIS_PASSED = "AnalysisPassed"
    #: Served sessions differ from the champion's training data.
    DRIFTED = "Drifted"
    #: A person may accept a retraining, which nothing starts by itself.
    RETRAIN_PROPOSED = "RetrainProposed"
    #: The last scheduled snapshot succeeded.
    SNAPSHOT_TAKEN = "SnapshotTaken"
    #: Every pod of the model has a node.
    PODS_SCHEDULED = "PodsScheduled"
    #: No foreign object has a name that the operator needs.
    OBJECTS_OWNED = "ObjectsOwned"
    #: Too many automatic rollbacks in a row: nothing starts until a retry is requested.
    LOCKED = "Locked"
    #: The claims that the spec names are usable.
    STORAGE_READY = "StorageReady"
    #: The installation allows the host, Prometheus server and accounts that the spec names.
    ACCEPTED = "Accepted"
    #: Every setting of the spec that differs from its default has an effect.
    SETTINGS_APPLIED = "SettingsApplied"
    #: Neither files nor lakes nor artifacts have a user whose erasure the collector accepted.
    ERASURES_COMPLETE = "ErasuresComplete"
    #: The last annotation or the pin `spec.rollbackTo` was carried out.
    REQUESTS_HONORED = "RequestsHonored"
    # These two are for tools that follow kstatus, such as Flux.
    #: The current spec is on its way to be served.
    RECONCILING = "Reconciling"
    #: No version serves, and none will without a change.
    STALLED = "Stalled"


class Reason(enum.StrEnum):
    """CamelCase reasons of conditions, events and decisions.

    Reasons of a failed Job (TooFewRows, OOMKilled, ...) come from its report or from Kubernetes.
    """

    NOT_YET_KNOWN = "NotYetKnown"
    # Decisions on a version.
    INITIAL_ROLLOUT = "InitialRollout"
    STEPS_PASSED = "StepsPassed"
    PROMOTED_BY_HAND = "PromotedByHand"
    ROLLED_BACK_TO = "RolledBackTo"
    PINNED = "Pinned"
    ANALYSIS_FAILED = "AnalysisFailed"
    INCONCLUSIVE_AT_DEADLINE = "InconclusiveAtDeadline"
    #: What users did: worse, or no better than the experiment could still find.
    EXPERIMENT_LOST = "ExperimentLost"
    EXPERIMENT_FUTILE = "ExperimentFutile"
    #: What users clicked in lists that mix those of both versions.
    INTERLEAVING_LOST = "InterleavingLost"
    CANDIDATE_BROKEN = "CandidateBroken"
    BROKEN_AFTER_PROMOTION = "BrokenAfterPromotion"
    #: Its loss rose, and the version before it is better on the same rows.
    PREVIOUS_IS_BETTER = "PreviousIsBetter"
    NOT_READY_IN_TIME = "NotReadyInTime"
    CANDIDATE_UNAVAILABLE = "CandidateUnavailable"
    CANDIDATE_UNSTABLE = "CandidateUnstable"
    GATE_FAILED = "GateFailed"
    SMOKE_FAILED = "SmokeFailed"
    ABORTED = "Aborted"
    SUPERSEDED = "Superseded"
    INVALID_REPORT = "InvalidReport"
    SOURCE_MISSING = "SourceMissing"
    DATA_VERSION_MISMATCH = "DataVersionMismatch"
    DATA_VERSION_ERASED = "DataVersionErased"
    DIGEST_MISMATCH = "DigestMismatch"
    # The state of the whole.
    SETTLED = "Settled"
    BASELINE_SERVES = "BaselineServes"
    NO_CHAMPION = "NoChampion"
    #: The former champion answers in place of the champion.
    STANDBY_SERVES = "StandbyServes"
    CHAMPION_RETURNED = "ChampionReturned"
    #: The fresh deployment of the champion beside a candidate.
    FRESH_CHAMPION_SERVES = "FreshChampionServes"
    FRESH_CHAMPION_UNAVAILABLE = "FreshChampionUnavailable"
    ROLLING_OUT = "RollingOut"
    REBUILT = "Rebuilt"
    SERVING = "Serving"
    CHAMPION_UNAVAILABLE = "ChampionUnavailable"
    ROUTE_NOT_ACCEPTED = "RouteNotAccepted"
    PLATFORM_MISSING = "PlatformMissing"
    PAUSED = "Paused"
    LOCKED = "Locked"
    UNLOCKED = "Unlocked"
    DELETING = "Deleting"
    ARTIFACTS_LEFT_BEHIND = "ArtifactsLeftBehind"
    # Nodes for pods; the latter is Kubernetes' own word.
    PODS_HAVE_NODES = "PodsHaveNodes"
    UNSCHEDULABLE = "Unschedulable"
    # Ownership.
    OWNED = "Owned"
    FOREIGN_OBJECT = "ForeignObject"
    # The stages of a version.
    DATA_CHECKED = "DataChecked"
    #: The data are used for training, but a check warns about them.
    DATA_WARNED = "DataWarned"
    TRAINED = "Trained"
    GATES_PASSED = "GatesPassed"
    NOT_ANALYSED = "NotAnalysed"
    PASSED = "Passed"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"
    #: The step holds until its experiment decides.
    MEASURING = "Measuring"
    EXPERIMENT_WON = "ExperimentWon"
    EXPERIMENT_INCONCLUSIVE = "ExperimentInconclusive"
    #: No verdict counts: users were not assigned as planned.
    EXPERIMENT_BLOCKED = "ExperimentBlocked"
    #: What users did could not be read.
    EXPERIMENT_ERROR = "ExperimentError"
    #: A further version takes no part in the experiment any more.
    ARM_WITHDRAWN = "ArmWithdrawn"
    AWAITING_PROMOTION = "AwaitingPromotion"
    PROMOTION_BLOCKED_BY_DRIFT = "PromotionBlockedByDrift"
    HELD_AT_DEADLINE = "HeldAtDeadline"
    # Drift.
    DISABLED = "Disabled"
    SHIFTED = "Shifted"
    SCHEMA_BROKEN = "SchemaBroken"
    LOSS_ROSE = "LossRose"
    CALIBRATION_DRIFTED = "CalibrationDrifted"
    SEGMENT_DRIFTED = "SegmentDrifted"
    SEGMENT_SHIFTED = "SegmentShifted"
    NO_SHIFT = "NoShift"
    WATCHING = "Watching"
    NEW_SNAPSHOTS = "NewSnapshots"
    #: Of the Event; the condition's reason is the cause.
    RETRAIN_PROPOSED = "RetrainProposed"
    RETRAIN_STARTED = "RetrainStarted"
    RECALIBRATION_STARTED = "RecalibrationStarted"
    # Snapshots.
    SNAPSHOT_TAKEN = "SnapshotTaken"
    SCHEDULED = "Scheduled"
    # Storage.
    CLAIMS_USABLE = "ClaimsUsable"
    CLAIM_MISSING = "ClaimMissing"
    CLAIM_DELETING = "ClaimDeleting"
    CLAIM_LOST = "ClaimLost"
    CLAIM_IS_BLOCK = "ClaimIsBlock"
    CLAIM_READ_ONLY = "ClaimReadOnly"
    INVALID_PATH = "InvalidPath"
    # What the installation allows.
    ACCEPTED = "Accepted"
    HOST_NOT_ALLOWED = "HostNotAllowed"
    HOST_CONFLICT = "HostConflict"
    PROMETHEUS_NOT_ALLOWED = "PrometheusNotAllowed"
    SERVICE_ACCOUNT_NOT_ALLOWED = "ServiceAccountNotAllowed"
    KEDA_NOT_AVAILABLE = "KedaNotAvailable"
    KEDA_TRIGGER_FAILED = "KedaTriggerFailed"
    # Which settings have an effect.
    APPLIED = "Applied"
    NO_COLLECTOR = "NoCollector"
    FEATURE_NOT_SERVED = "FeatureNotServed"
    NO_EFFECT = "NoEffect"
    # Erasures of users.
    ERASED = "Erased"
    OPEN = "Open"
    ARTIFACT_OLDER_THAN_ERASURE = "ArtifactOlderThanErasure"
    NOT_REPORTED = "NotReported"
    # Requests.
    NONE = "None"
    DONE = "Done"
    UNDER_WAY = "UnderWay"
    REFUSED = "Refused"
    UNKNOWN_VERSION = "UnknownVersion"


#: Maximum length of a condition's message, in characters; an Event is limited to 1024.
MAX_MESSAGE = 4096
#: In the message of Drifted: what a person may do.
ROLLBACK_PROPOSED = "Rollback: proposed"

_ORDER = {str(kind): position for position, kind in enumerate(ConditionType)}


def find(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """Return the condition of a type; None if it is not set."""
    return next((condition for condition in conditions if condition.type == kind), None)


def put(
    conditions: tuple[Condition, ...],
    old: Condition | None,
    kind: ConditionType,
    status: ConditionStatus,
    reason: str,
    message: str,
    *,
    generation: int,
    now: datetime.datetime,
) -> tuple[Condition, ...]:
    """Return the conditions with one of them set.

    `old` is the stored condition. The transition time changes only if the status differs from
    the stored one, as the Kubernetes API conventions require.
    """
    since = old.last_transition_time if old is not None and old.status == status else now
    new = Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message[:MAX_MESSAGE],
        observed_generation=generation,
        last_transition_time=since,
    )
    others = [condition for condition in conditions if condition.type != kind]
    return tuple(sorted([*others, new], key=lambda c: _ORDER.get(c.type, len(_ORDER))))
