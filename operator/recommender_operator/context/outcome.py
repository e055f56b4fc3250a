"""What a pass has decided: statuses, actions, Events, and when to reconcile again.

Steps record here, and a later step sees it in its `Context`: a version can reach several stages in
one pass. Each method keeps a law, whichever step calls it; `reducer.py` makes the decision of it.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from recommender_operator.actions import Action, Event
from recommender_operator.analysis.window_filling import Filling
from recommender_operator.api.conditions import ConditionType, Reason, find, put
from recommender_operator.api.spec import ConditionStatus
from recommender_operator.api.status import HandledAction
from recommender_operator.api.version import (
    Interruptions,
    ModelVersionStatus,
    VersionDecision,
    VersionStage,
)
from recommender_operator.api.version_requests import newest_requests
from recommender_operator.context import model_time
from recommender_operator.context.extension import Extension
from recommender_operator.observed import Observed, VersionObject

#: Maximum length of an Event's message in Kubernetes, in characters.
MAX_EVENT = 1024
#: Maximum time until the next pass while something is in progress; watches trigger earlier ones.
IDLE = datetime.timedelta(seconds=60)
#: Maximum time until the next pass if nothing is in progress, and the minimum.
REST, SOONEST = datetime.timedelta(hours=1), datetime.timedelta(seconds=1)
#: Texts of the stages in Events.
STAGE_TEXTS: Mapping[VersionStage, str] = {
    VersionStage.PENDING: "nothing has started yet",
    VersionStage.CHECKING_DATA: "the check Job checks the data",
    VersionStage.TRAINING: "the training starts",
    VersionStage.EVALUATING: "its metrics are compared with the gates",
    VersionStage.PUBLISHING: "the artifact is being published",
    VersionStage.PUBLISHED: "the artifact is published",
    VersionStage.DEPLOYING: "its pods are starting",
    VersionStage.SMOKE_TESTING: "its pods are ready; the smoke inference starts",
    VersionStage.CANARY: "the smoke inference passed; the rollout starts",
    VersionStage.PROMOTED: "is the champion",
    VersionStage.FAILED: "failed",
    VersionStage.REJECTED: "was rejected",
    VersionStage.ROLLED_BACK: "was rolled back",
    VersionStage.SUPERSEDED: "was superseded",
}


class Proposal(NamedTuple):
    """A retraining, or what takes its place, that a person may accept."""

    reason: Reason
    what: str
    why: str


class Outcome:
    """The outcome of a pass so far; its attributes are for reading.

    Attributes:
        time: model time, for deadlines; `now` is for times that people read.
        status: the status of the model.
        versions: all versions by name, with their changed statuses.
        changed: names of the versions whose status changed.
        paces: how often the clock must be stored, for each deadline that is running.
        requeue_after: maximum time until the next pass.
        held: whether a rollbackTo is in progress or a version is pinned: nothing new may start.
        target: target of a rollbackTo in progress: its service and its record stay.
        finished: whether the deletion of the model is complete.
        filling: the champion's drift window, if it still fills and nothing else is in progress.
        proposals: what `retrain.mode: Propose` proposes, the cause that explains others first.
    """

    def __init__(
        self, observed: Observed, now: datetime.datetime, extensions: Sequence[Extension] = ()
    ) -> None:
        self.observed = observed
        self.extensions = extensions
        self.now = now
        self.time = model_time.current_model_time(observed.model.status.clock, now)
        self.status = observed.model.status
        self.versions: dict[str, VersionObject] = {v.name: v for v in observed.versions}
        self.changed: list[str] = []
        self.actions: list[Action] = []
        self.events: list[Event] = []
        #: The Event of the stages that a version has reached in this pass.
        self._passed: dict[str, Event] = {}
        self.paces: list[datetime.timedelta] = []
        self.requeue_after = REST
        self.routes_first = False
        self.held = False
        self.target: str | None = None
        self.finished = False
        self.filling: Filling | None = None
        self.proposals: list[Proposal] = []

    # --- versions and traffic

    def do(self, action: Action) -> None:
        """Add an action once."""
        if action not in self.actions:
            self.actions.append(action)

    def route_first(self) -> None:
        """Write the route before all other actions, so that traffic leaves a bad version first.

        It is written even if the observed route is correct, which may be stale.
        """
        self.routes_first = True

    def change(self, name: str, **values: object) -> None:
        """Change the status of a version, which is written once at the end."""
        version = self.versions[name]
        status = version.status.model_copy(update=values)
        if status == version.status:
            return
        self.versions[name] = dataclasses.replace(version, status=status)
        if name not in self.changed:
            self.changed.append(name)

    def move(self, name: str, stage: VersionStage, **values: object) -> None:
        """Move a version to a stage, with one Event for all stages of a pass."""
        self.change(name, stage=stage, stage_since=self.time, **values)
        before = self._passed.get(name)
        message = f"{name}: {STAGE_TEXTS[stage]}"
        if before is not None:
            self.events.remove(before)
            message = f"{before.message}; {STAGE_TEXTS[stage]}"
        self._passed[name] = self._add_event("Normal", stage.value, message, name)

    def end(
        self, name: str, stage: VersionStage, reason: str, message: str, *, automatic: bool = True
    ) -> None:
        """Record the decision on a version, and withdraw its traffic unless it is promoted."""
        status = self.versions[name].status
        number = self.next_number()
        decision = VersionDecision(
            outcome=stage.value,
            reason=reason,
            message=message[:8192],
            at=self.now,
            sequence=number,
            automatic=automatic,
            stage=status.stage,
        )
        promoted = stage is VersionStage.PROMOTED
        if not promoted and (self.observed.traffic.weights.get(name) or status.weight):
            self.route_first()
        self.change(
            name,
            stage=stage,
            stage_since=self.time,
            decision=decision,
            **_ended_steps(status, self.time),
            weight=100 if promoted else 0,
            unready_since=None,
            **({"promoted_at": self.now, "promotion": number} if promoted else {}),
        )
        for extension in self.extensions:
            self.change(name, **extension.end(status, self.time, message))
        kind = self.info if promoted or stage is VersionStage.SUPERSEDED else self.warn
        kind(reason, f"{name} {stage.value}: {message}", version=name)

    def restart(self, name: str, *, attempts: int = 1) -> None:
        """Start a version again, without what its last rollout found; count `attempts` more."""
        status = self.versions[name].status
        values = {"stage_since": self.time, "attempt": status.attempt + attempts}
        self.change(name, **_fresh_rollout(status), **values)

    def next_number(self) -> int:
        """Return the model's next sequence number: one more than any used one.

        It depends only on the observed state, so a pass that is repeated after a crash returns
        the same number.
        """
        # A restored model has no sequence, but it may have an earlier retraining.
        retrain = self.status.retrain
        numbers = [self.status.sequence, retrain.sequence if retrain is not None else 0]
        for version in self.versions.values():
            status, decision = version.status, version.status.decision
            numbers += [status.promotion, status.rollout, status.data_read]
            numbers += [step.number for step in status.steps]
            numbers += [decision.sequence] if decision is not None else []
        return 1 + max(numbers)

    # --- Events, status and requests

    def info(self, reason: str, message: str, *, version: str = "") -> None:
        """Add a Normal Event; `version` as in `Event`."""
        self._add_event("Normal", reason, message, version)

    def warn(self, reason: str, message: str, *, version: str = "") -> None:
        """Add a Warning Event; `version` as in `Event`."""
        self._add_event("Warning", reason, message, version)

    def _add_event(
        self, kind: Literal["Normal", "Warning"], reason: str, message: str, version: str
    ) -> Event:
        event = Event(type=kind, reason=reason, message=message[:MAX_EVENT], version=version)
        if event not in self.events:
            self.events.append(event)
        return event

    def set_status(self, **values: object) -> None:
        """Change the status of the model."""
        self.status = self.status.model_copy(update=values)

    def condition(
        self, kind: ConditionType, status: ConditionStatus, reason: str, message: str
    ) -> bool:
        """Set a condition; return whether its reason differs from that at the start of the pass.

        Callers use this to warn once instead of at each pass.
        """
        old = find(self.observed.model.status.conditions, kind)
        conditions = put(
            self.status.conditions,
            old,
            kind,
            status,
            reason,
            message,
            generation=self.observed.model.generation,
            now=self.now,
        )
        self.set_status(conditions=conditions)
        return old is None or old.reason != reason

    def handled(self, action: str, token: str, result: str) -> None:
        """Record the result of a request, so that it is handled once."""
        entry = HandledAction(action=action, token=token, at=self.now, result=result[:1024])
        known = [*self.status.handled, entry]
        self.set_status(handled=newest_requests(known))

    def propose(self, reason: Reason, what: str, why: str) -> None:
        """Propose a retraining, or what takes its place, to a person."""
        self.proposals.append(Proposal(reason, what, why))

    # --- the rest of the pass, and the next one

    def hold(self) -> None:
        """Let nothing new start, because a rollbackTo is in progress or a version is pinned."""
        self.held = True

    def restore(self, target: str | None) -> None:
        """Keep service and record of the target of a rollbackTo; None to keep none."""
        self.target = target

    def watch(self, filling: Filling) -> None:
        """Let the next passes wait for this window alone, but for what else is requested."""
        self.filling = filling

    def finish(self) -> None:
        """Complete the deletion of the model: no pass follows."""
        self.finished = True

    def requeue(self, after: datetime.timedelta) -> None:
        """Request the next pass after at most this time."""
        self.requeue_after = min(self.requeue_after, max(after, SOONEST))

    def due(
        self, since: datetime.datetime, limit: datetime.timedelta, every: datetime.timedelta
    ) -> bool:
        """Return whether `limit` has passed in model time; `every` is the checking interval."""
        waits = self.time - since < limit
        if waits:
            self.paces.append(model_time.pace(limit, every))
        return not waits


def _ended_steps(status: ModelVersionStatus, at: datetime.datetime) -> dict[str, object]:
    """Return the steps of a version that ends, none of them in progress any more."""
    steps = status.steps
    if not steps or steps[-1].ended_at is not None:
        return {}
    return {"steps": (*steps[:-1], steps[-1].model_copy(update={"ended_at": at}))}


def _fresh_rollout(status: ModelVersionStatus) -> dict[str, object]:
    """Return the fields of a version's status to reset for a new attempt."""
    published = status.artifact is not None
    stage = VersionStage.PUBLISHED if published else VersionStage.PENDING
    made: dict[str, object] = {
        "lineage": None,
        "metrics": {},
        "comparison": None,
        "previous": None,
        "search": None,
        "gates": (),
        "staged": None,
    }
    return {
        **({} if published else made),
        "stage": stage,
        "steps": (),
        "experiment": None,
        "interleaving": None,
        "smoke": None,
        "weight": 0,
        "decision": None,
        "approved_at": None,
        "unready_since": None,
        "interruptions": Interruptions(),
        "fresh_champion": None,
        "replaced": None,
        "failure": None,
    }
