"""One call of `decide`: the observed state, and the decision in progress.

Each step reads the context and adds to it, so a step sees the decisions of the earlier ones, and
a version can reach several stages in one pass.

The actions are ordered so that every prefix is safe, because the operator may die between any two:
first, traffic leaves a bad version; then, decisions are recorded; Jobs, services and baselines
follow; traffic moves to a new version last.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from recommender_operator.actions import (
    Action,
    Decision,
    Event,
    RemoveTraffic,
    SetTraffic,
    StartJob,
    UpdateVersion,
)
from recommender_operator.analysis.window_filling import Filling
from recommender_operator.api.conditions import ConditionType, Reason, find, put
from recommender_operator.api.spec import ConditionStatus
from recommender_operator.api.status import HandledAction
from recommender_operator.api.version import (
    TERMINAL,
    VersionDecision,
    VersionStage,
)
from recommender_operator.api.version_requests import newest_requests
from recommender_operator.context import (
    host_check,
    model_time,
    pod_template_check,
    storage_check,
)
from recommender_operator.context.extension import Extension
from recommender_operator.context.rollout_state import ROLLING_OUT, RolloutState, ended_steps
from recommender_operator.observed import Observed

#: Maximum length of an Event's message in Kubernetes, in characters.
MAX_EVENT = 1024
#: Maximum time until the next pass while something is in progress; watches trigger earlier ones.
IDLE = datetime.timedelta(seconds=60)
#: Maximum time until the next pass if nothing is in progress.
REST = datetime.timedelta(hours=1)
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
    """A retraining or a recalibration that a person may accept."""

    reason: Reason
    what: str
    why: str


class ReconcileContext(RolloutState):
    """The state of a decision in progress."""

    def __init__(
        self, observed: Observed, now: datetime.datetime, extensions: Sequence[Extension] = ()
    ) -> None:
        super().__init__(observed, now, extensions)
        #: Model time, for deadlines; `now` is for times that people read.
        self.time = model_time.current_model_time(self.status.clock, now)
        self._paces: list[datetime.timedelta] = []
        #: Target of a rollbackTo in progress: its service and its record stay.
        self.target: str | None = None
        self.finished = False
        self._changed: list[str] = []
        self._actions: list[Action] = []
        self._events: list[Event] = []
        #: The Event of the stages that a version has reached in this pass.
        self._passed: dict[str, Event] = {}
        #: The champion's drift window, if it still fills and nothing else is in progress.
        self.filling: Filling | None = None
        #: What `retrain.mode: Propose` proposes, the cause that explains others first.
        self.proposals: list[Proposal] = []
        self._route_first = False
        self._requeue = REST
        #: The host of the route.
        self.hosting = host_check.resolve_host(observed)
        #: Problems that prevent Jobs from starting.
        self.storage = storage_check.check_storage(observed)
        #: Refused pod templates and service accounts, which Jobs and services wait for.
        self.pod_templates = pod_template_check.check_pod_templates(observed)
        for name, smoke in observed.smokes.items():
            self.change(name, smoke=smoke)

    # --- the decision

    def do(self, action: Action) -> None:
        """Add an action once.

        A Job whose claims are not usable does not start, nor anything with a refused service
        account; later passes try again.
        """
        if isinstance(action, StartJob) and self.storage.stops(action.kind):
            return
        if self.pod_templates.stop(action):
            return
        if action not in self._actions:
            self._actions.append(action)

    def route_first(self) -> None:
        """Write the route before all other actions, so that traffic leaves a bad version first.

        It is written even if the observed route is correct, which may be stale.
        """
        self._route_first = True

    def change(self, name: str, **values: object) -> None:
        """Change the status of a version, which is written once at the end."""
        version = self.versions[name]
        status = version.status.model_copy(update=values)
        if status == version.status:
            return
        self.versions[name] = dataclasses.replace(version, status=status)
        if name not in self._changed:
            self._changed.append(name)

    def move(self, name: str, stage: VersionStage, **values: object) -> None:
        """Move a version to a stage, with one Event for all stages of a pass."""
        self.change(name, stage=stage, stage_since=self.time, **values)
        before = self._passed.get(name)
        message = f"{name}: {STAGE_TEXTS[stage]}"
        if before is not None:
            self._events.remove(before)
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
        if not promoted and (self.route_weights.get(name) or status.weight):
            self.route_first()
        self.change(
            name,
            stage=stage,
            stage_since=self.time,
            decision=decision,
            **ended_steps(status, self.time),
            weight=100 if promoted else 0,
            unready_since=None,
            **({"promoted_at": self.now, "promotion": number} if promoted else {}),
        )
        for extension in self.extensions:
            self.change(name, **extension.end(status, self.time, message))
        kind = self.info if promoted or stage is VersionStage.SUPERSEDED else self.warn
        kind(reason, f"{name} {stage.value}: {message}", version=name)

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
        if event not in self._events:
            self._events.append(event)
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
        old = find(self.model.status.conditions, kind)
        conditions = put(
            self.status.conditions,
            old,
            kind,
            status,
            reason,
            message,
            generation=self.model.generation,
            now=self.now,
        )
        self.set_status(conditions=conditions)
        return old is None or old.reason != reason

    def requeue(self, after: datetime.timedelta) -> None:
        """Request the next pass after at most this time."""
        self._requeue = min(self._requeue, max(after, datetime.timedelta(seconds=1)))

    # --- time

    def due(
        self, since: datetime.datetime, limit: datetime.timedelta, every: datetime.timedelta
    ) -> bool:
        """Return whether `limit` has passed in model time; `every` is the checking interval."""
        waits = self.time - since < limit
        if waits:
            self._paces.append(model_time.pace(limit, every))
        return not waits

    @property
    def _rolls_out(self) -> bool:
        return self.candidate is not None and self.candidate.status.stage in ROLLING_OUT

    @property
    def time_stands_still(self) -> bool:
        """True while a rollout is paused."""
        return self._rolls_out and (self.spec.paused or self.held)

    def _keep_time(self) -> None:
        """Store the clock while a deadline is running; model time stops while paused."""
        stored, rolls_out = self.model.status.clock, self._rolls_out
        if self.time_stands_still and not self._paces:
            return
        # A failed data check is repeated; the pause before it starts now.
        failed = any(self.versions[n].status.stage is VersionStage.FAILED for n in self._changed)
        paces = [*self._paces, IDLE] if rolls_out or failed else self._paces
        if self.model.deleting or not paces:
            self.set_status(clock=None)
            return
        # Model time advances only with passes.
        self.requeue(IDLE)
        written = self.status != self.model.status
        pace = min(paces)
        self.set_status(
            clock=model_time.kept(
                stored, wall=self.now, time=self.time, pace=pace, written=written
            )
        )

    # --- requests by annotation

    def pending(self, action: str) -> str | None:
        """Return the token of an annotation that is not handled yet; None if there is none."""
        token = self.model.annotations.get(action, "").strip()[:253]
        if not token:
            return None
        handled = any(h.action == action and h.token == token for h in self.status.handled)
        return None if handled else token

    def handled(self, action: str, token: str, result: str) -> None:
        """Record the result of a request, so that it is handled once."""
        entry = HandledAction(action=action, token=token, at=self.now, result=result[:1024])
        known = [*self.status.handled, entry]
        self.set_status(handled=newest_requests(known))

    # --- the end

    def finish(self) -> Decision:
        """Return the decision, with its actions in the safe order."""
        desired = self.desired_weights
        for version in [] if self.model.deleting else list(self.versions.values()):
            if version.status.weight != desired.get(version.name, 0):
                self.change(version.name, weight=desired.get(version.name, 0))
        self._keep_time()
        requeue, filling = self._requeue, self.filling
        if filling is not None:
            filling = dataclasses.replace(filling, rest=requeue.total_seconds())
            requeue = min(requeue, datetime.timedelta(seconds=filling.pause))
        before, after = self._traffic(desired)
        updates = [
            UpdateVersion(name=name, status=self.versions[name].status) for name in self._changed
        ]
        return Decision(
            actions=(*before, *updates, *self._actions, *after),
            status=self.status,
            events=tuple(self._events),
            requeue_after=None if self.finished else requeue,
            finished=self.finished,
            filling=filling,
        )

    def _traffic(self, desired: Mapping[str, int]) -> tuple[list[Action], list[Action]]:
        """Return the route's actions that come first, and those that come last."""
        if self.model.deleting or self.observed.platform.missing:
            return [], []
        if self.hosting.host is None:
            return ([RemoveTraffic()], []) if self.observed.traffic.weights else ([], [])
        traffic = self.observed.traffic
        renamed = traffic.host != self.hosting.host and bool(self.hosting.host)
        routing = self.desired_routing
        again = self._route_first or renamed or traffic.outdated or traffic.routing != routing
        if self.route_weights == desired and not (desired and again):
            return [], []
        if not desired:
            return [], ([RemoveTraffic()] if self._route_is_orphaned() else [])
        action = SetTraffic(weights=dict(desired), host=self.hosting.host, routing=routing)
        return ([action], []) if self._route_first else ([], [action])

    def _route_is_orphaned(self) -> bool:
        """Return whether all versions of the route are known and have ended without promotion.

        A version that is missing in the list may still exist.
        """
        return all(
            name in self.versions
            and self.versions[name].status.stage in TERMINAL - {VersionStage.PROMOTED}
            for name in self.route_weights
        )
