"""The facts to send about a model, derived from its stored status.

They do not come from the Events of a pass: a pass that ends between its write and its Events
loses none, and a new leader finds the same facts with the same ids.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Iterator, Sequence

from recommender_operator.api.conditions import ROLLBACK_PROPOSED, ConditionType, Reason, find
from recommender_operator.api.spec import ExperimentMode
from recommender_operator.api.status import Condition
from recommender_operator.api.version import VersionStage
from recommender_operator.api.version_experiment import ExperimentStatus
from recommender_operator.observed import ModelObject, VersionObject

#: Maximum age of a decision that is sent. Kubernetes keeps Events, which record what was sent, for
#: an hour.
RECENT = datetime.timedelta(minutes=30)
#: Time without a usable verdict after which an experiment is a fact: one read may fail.
GRACE = datetime.timedelta(minutes=10)
_WAITS = (Reason.AWAITING_PROMOTION, Reason.PROMOTION_BLOCKED_BY_DRIFT, Reason.HELD_AT_DEADLINE)


class FactKind(enum.StrEnum):
    """The facts that a receiver can choose."""

    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    REJECTED = "Rejected"
    FAILED = "Failed"
    EXPERIMENT_DECIDED = "ExperimentDecided"
    #: No verdict of the experiment counts, or its users cannot be read.
    EXPERIMENT_BLOCKED = "ExperimentBlocked"
    #: A further version of an experiment takes no part, or no longer does.
    ARM_WITHDRAWN = "ArmWithdrawn"
    DRIFTED = "Drifted"
    #: Nothing continues without a person.
    WAITING = "Waiting"


_OUTCOMES = {
    VersionStage.PROMOTED.value: FactKind.PROMOTED,
    VersionStage.ROLLED_BACK.value: FactKind.ROLLED_BACK,
    VersionStage.REJECTED.value: FactKind.REJECTED,
    VersionStage.FAILED.value: FactKind.FAILED,
}
_UNUSABLE = frozenset({"Blocked", "Error"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fact:
    """One thing to send."""

    #: The same whoever finds it, and whenever.
    id: str
    kind: FactKind
    namespace: str
    model: str
    #: Empty if it is about the model.
    version: str = ""
    reason: str
    message: str
    at: datetime.datetime
    #: It is still true; a decision was true at its time.
    lasting: bool = False
    #: The requests that a person may answer it with.
    verbs: tuple[str, ...] = ()


def of_model(
    model: ModelObject, versions: Sequence[VersionObject], now: datetime.datetime
) -> tuple[Fact, ...]:
    """Return the facts to send now, the oldest first."""
    if model.deleting:
        return ()
    found = [*_of_conditions(model, versions)]
    for version in versions:
        found += _of_version(model, version, now)
    return tuple(sorted(found, key=lambda fact: (fact.at, fact.id)))


def _of_version(
    model: ModelObject, version: VersionObject, now: datetime.datetime
) -> Iterator[Fact]:
    decision = version.status.decision
    kind = _OUTCOMES.get(decision.outcome) if decision is not None else None
    if decision is not None and kind is not None and now - decision.at < RECENT:
        yield _fact(
            model,
            version,
            f"decision/{version.uid}/{decision.sequence}",
            kind,
            reason=decision.reason,
            message=decision.message,
            at=decision.at,
        )
    seen = version.status.experiment
    if seen is not None:
        yield from _of_arms(model, version, seen, now)
    if seen is not None and seen.judged_at is not None:
        running = version.status.stage is VersionStage.CANARY
        # A status of an earlier release has no time by the wall clock.
        at = seen.written_at or seen.judged_at
        yield from _of_experiment(model, version, seen, at, now, running=running)


def _of_experiment(
    model: ModelObject,
    version: VersionObject,
    seen: ExperimentStatus,
    at: datetime.datetime,
    now: datetime.datetime,
    *,
    running: bool,
) -> Iterator[Fact]:
    """Return the facts about an experiment; `at` is the time of its last verdict."""
    kind = _verdict(seen)
    # A version may end before its experiment is final; the verdict stays in its status.
    lasting = running and not seen.final
    if kind is not None and (lasting or now - at < RECENT):
        since = seen.verdict_since or at
        yield _fact(
            model,
            version,
            f"experiment/{version.uid}/{seen.id}/{seen.verdict}/{since.isoformat()}",
            kind,
            reason=seen.verdict,
            message=seen.message,
            at=since if lasting else at,
            lasting=lasting,
        )
    observed = running and seen.final and seen.plan.mode is ExperimentMode.OBSERVE
    if observed and version.status.approved_at is None:
        yield _fact(
            model,
            version,
            f"waiting/{version.uid}/{version.status.rollout}/experiment/{seen.id}",
            FactKind.WAITING,
            reason=seen.verdict,
            message=f"{seen.message}. rollout.experiment.mode is Observe: a person decides",
            at=at,
            lasting=True,
            verbs=("promote", "abort"),
        )


def _of_arms(
    model: ModelObject, version: VersionObject, seen: ExperimentStatus, now: datetime.datetime
) -> Iterator[Fact]:
    """Return the further versions that were withdrawn lately."""
    for arm in seen.arms:
        at = arm.withdrawn_at
        # Without a time it was withdrawn under an earlier release.
        if arm.withdrawn and at is not None and now - at < RECENT:
            yield _fact(
                model,
                version,
                f"arm/{version.uid}/{seen.id}/{arm.version}",
                FactKind.ARM_WITHDRAWN,
                reason=Reason.ARM_WITHDRAWN,
                message=f"{arm.version} is no arm of the experiment any more: {arm.withdrawn}",
                at=at,
            )


def _verdict(seen: ExperimentStatus) -> FactKind | None:
    if seen.verdict not in _UNUSABLE:
        return FactKind.EXPERIMENT_DECIDED if seen.final else None
    at, since = seen.judged_at, seen.verdict_since
    lasted = at is not None and since is not None and at - since >= GRACE
    return FactKind.EXPERIMENT_BLOCKED if lasted or seen.final else None


def _of_conditions(model: ModelObject, versions: Sequence[VersionObject]) -> Iterator[Fact]:
    conditions = model.status.conditions
    for kind, sent_as, verbs in (
        (ConditionType.DRIFTED, FactKind.DRIFTED, ("retrain",)),
        (ConditionType.RETRAIN_PROPOSED, FactKind.WAITING, ("retrain",)),
        (ConditionType.LOCKED, FactKind.WAITING, ("unlock",)),
    ):
        state = find(conditions, kind)
        # Of a drift tells the fact about Drifted.
        proposed = kind is ConditionType.RETRAIN_PROPOSED
        told = proposed and state is not None and state.reason != Reason.NEW_SNAPSHOTS
        if state is not None and state.status == "True" and not told:
            since = state.last_transition_time
            yield _fact(
                model,
                None,
                f"{kind}/{model.uid}/{since.isoformat()}{_new_in(state)}",
                sent_as,
                reason=state.reason,
                message=state.message,
                at=since,
                lasting=True,
                verbs=verbs,
            )
    candidate = next((v for v in versions if v.name == model.status.candidate), None)
    analysis = find(conditions, ConditionType.ANALYSIS_PASSED)
    if candidate is not None and analysis is not None and analysis.reason in _WAITS:
        yield _fact(
            model,
            candidate,
            f"waiting/{candidate.uid}/{candidate.status.rollout}/{analysis.reason}",
            FactKind.WAITING,
            reason=analysis.reason,
            message=analysis.message,
            at=analysis.last_transition_time,
            lasting=True,
            verbs=("promote", "abort"),
        )


def _new_in(drifted: Condition) -> str:
    """Return the part of a cause whose change makes a lasting drift a new fact."""
    # Between retraining and a freeze.
    broken = f"/{drifted.reason}" if drifted.reason == Reason.SCHEMA_BROKEN else ""
    # A proposal to roll back needs a person.
    proposed = f"/{Reason.PREVIOUS_IS_BETTER}" if ROLLBACK_PROPOSED in drifted.message else ""
    return broken + proposed


def _fact(
    model: ModelObject,
    version: VersionObject | None,
    name: str,
    kind: FactKind,
    *,
    reason: str,
    message: str,
    at: datetime.datetime,
    lasting: bool = False,
    verbs: tuple[str, ...] = (),
) -> Fact:
    return Fact(
        id=name,
        kind=kind,
        namespace=model.namespace,
        model=model.name,
        version=version.name if version is not None else "",
        reason=reason,
        message=message,
        at=at,
        lasting=lasting,
        verbs=verbs,
    )
