"""The conditions of a `RecommenderModel`: their types, their reasons, and the rule of transition.

`kubectl describe` alone must tell a stranger what happens and what to do, so each message names
the numbers and, where something is wrong, the remedy.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterable

from recommender_operator.api.spec import ConditionStatus
from recommender_operator.api.status import Condition


class ConditionType(enum.StrEnum):
    """In the order in which they are listed. All but the last are Unknown until first judged."""

    #: The champion serves; it is the one that spec.rollbackTo pins, if that is set.
    READY = "Ready"
    #: The champion is what the spec asks for; else the message says what became of that.
    UP_TO_DATE = "UpToDate"
    #: A champion is ready and the data plane sends it requests, whatever else goes on.
    AVAILABLE = "Available"
    #: A version is on its way.
    PROGRESSING = "Progressing"
    # These four speak of the version on its way, else of the one that the spec asks for.
    DATA_VALID = "DataValid"
    TRAINED = "Trained"
    GATES_PASSED = "GatesPassed"
    ANALYSIS_PASSED = "AnalysisPassed"
    #: The served sessions differ from the champion's training data.
    DRIFTED = "Drifted"
    #: The last snapshot that the schedule asked for is there.
    SNAPSHOT_TAKEN = "SnapshotTaken"
    #: No object of another stands where the operator would have to write.
    OBJECTS_OWNED = "ObjectsOwned"
    #: Too many automatic rollbacks in a row: nothing starts until a human says so.
    LOCKED = "Locked"
    #: The claims that the spec names can be used.
    STORAGE_READY = "StorageReady"
    #: This installation allows the host and the addresses that the spec names.
    ACCEPTED = "Accepted"
    #: The last request by annotation, or the pin `spec.rollbackTo`, could be done.
    REQUESTS_HONORED = "RequestsHonored"
    # These two are for tools that follow kstatus, such as Flux.
    #: The spec in force is on its way to be served.
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
    CANDIDATE_BROKEN = "CandidateBroken"
    BROKEN_AFTER_PROMOTION = "BrokenAfterPromotion"
    NOT_READY_IN_TIME = "NotReadyInTime"
    CANDIDATE_UNAVAILABLE = "CandidateUnavailable"
    CANDIDATE_UNSTABLE = "CandidateUnstable"
    GATE_FAILED = "GateFailed"
    SMOKE_FAILED = "SmokeFailed"
    ABORTED = "Aborted"
    SUPERSEDED = "Superseded"
    INVALID_REPORT = "InvalidReport"
    DATA_VERSION_MISMATCH = "DataVersionMismatch"
    DIGEST_MISMATCH = "DigestMismatch"
    # The state of the whole.
    SETTLED = "Settled"
    BASELINE_SERVES = "BaselineServes"
    NO_CHAMPION = "NoChampion"
    ROLLING_OUT = "RollingOut"
    SERVING = "Serving"
    CANDIDATE_FAILED = "CandidateFailed"
    CANDIDATE_REJECTED = "CandidateRejected"
    CANDIDATE_ROLLED_BACK = "CandidateRolledBack"
    CHAMPION_UNAVAILABLE = "ChampionUnavailable"
    ROUTE_NOT_ACCEPTED = "RouteNotAccepted"
    PLATFORM_MISSING = "PlatformMissing"
    PAUSED = "Paused"
    LOCKED = "Locked"
    UNLOCKED = "Unlocked"
    DELETING = "Deleting"
    ARTIFACTS_LEFT_BEHIND = "ArtifactsLeftBehind"
    # Ownership.
    OWNED = "Owned"
    FOREIGN_OBJECT = "ForeignObject"
    # The stages of a version.
    DATA_CHECKED = "DataChecked"
    #: The data are trained on, and differ from those before in a way that a human should know.
    DATA_WARNED = "DataWarned"
    TRAINED = "Trained"
    GATES_PASSED = "GatesPassed"
    NOT_ANALYSED = "NotAnalysed"
    PASSED = "Passed"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"
    AWAITING_PROMOTION = "AwaitingPromotion"
    PROMOTION_BLOCKED_BY_DRIFT = "PromotionBlockedByDrift"
    HELD_AT_DEADLINE = "HeldAtDeadline"
    # Drift.
    DISABLED = "Disabled"
    SHIFTED = "Shifted"
    NO_SHIFT = "NoShift"
    WATCHING = "Watching"
    RETRAIN_STARTED = "RetrainStarted"
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
    # Requests.
    NONE = "None"
    DONE = "Done"
    UNDER_WAY = "UnderWay"
    REFUSED = "Refused"
    UNKNOWN_VERSION = "UnknownVersion"


#: Longest message that is written; an Event takes no more than 1024.
MAX_MESSAGE = 4096

_ORDER = {str(kind): place for place, kind in enumerate(ConditionType)}


def find(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """Return the condition of a type, if there is one."""
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

    `old` is what the API server has of it. The transition time moves only when the status flips
    against that, as the Kubernetes conventions ask.
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
