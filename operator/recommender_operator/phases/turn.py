"""One turn of `decide`: what was seen, and the decision as it grows.

A turn lives inside one call. Each phase reads it and adds to it, so that a phase sees what the
phases before it have decided, and several stages can be passed in one look.

The order of the actions makes every prefix of them safe, for the operator may die between any two:
requests leave a bad version before anything else is written; what is decided is recorded before
requests move to a new version; Jobs, services and baselines come between.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Literal

from recommender_operator.actions import (
    Action,
    Decision,
    Event,
    RemoveTraffic,
    SetTraffic,
    StartJob,
    UpdateVersion,
)
from recommender_operator.analysis.filling import Filling
from recommender_operator.api.conditions import ConditionType, find, put
from recommender_operator.api.spec import ConditionStatus
from recommender_operator.api.status import HandledAction
from recommender_operator.api.version import (
    TERMINAL,
    VersionDecision,
    VersionStage,
)
from recommender_operator.observed import Observed, VersionObject
from recommender_operator.phases import clock, hosts, storage, words
from recommender_operator.phases.view import ROLLING_OUT, View

#: Handled requests that are remembered; the newest of each action always is.
MAX_HANDLED = 20
#: An Event of Kubernetes takes no more.
MAX_EVENT = 1024
#: The longest wait for the next look; children's events wake the operator earlier.
IDLE = datetime.timedelta(seconds=60)
#: A model that waits for nothing: events wake it, and the setting of the longest pause.
REST = datetime.timedelta(hours=1)


class Turn(View):
    """The state of one decision in the making."""

    def __init__(self, observed: Observed, now: datetime.datetime) -> None:
        super().__init__(observed, now)
        #: The model's time, for everything that takes time; `now` is what people read.
        self.time = clock.read(self.status.clock, now)
        self._paces: list[datetime.timedelta] = []
        #: Only a rollback is being done, or a version is pinned: nothing new may start.
        self.held = False
        #: Version that a rollbackTo is bringing back: its service stays, its record too.
        self.target: str | None = None
        self.finished = False
        self._changed: list[str] = []
        self._actions: list[Action] = []
        self._events: list[Event] = []
        #: The event of the stages that a version has passed in this turn.
        self._passed: dict[str, Event] = {}
        #: The drift window of the champion, if it is all that is watched and still fills.
        self.filling: Filling | None = None
        self._retreat = False
        self._requeue = REST
        #: The host that the route gets.
        self.hosting = hosts.judge(observed)
        #: What keeps Jobs from starting.
        self.storage = storage.judge(observed)
        for name, smoke in observed.smokes.items():
            self.change(name, smoke=smoke)

    # --- the decision

    def do(self, action: Action) -> None:
        """Add an action, unless the very same one is there already.

        A Job whose claims cannot be used is not started; the next looks ask for it again.
        """
        if isinstance(action, StartJob) and self.storage.stops(action.kind):
            return
        if action not in self._actions:
            self._actions.append(action)

    def retreat(self) -> None:
        """Write the route before everything else: requests leave a version that must not serve.

        It is written even if it reads as asked already, for the read may be older than a write.
        """
        self._retreat = True

    def change(self, name: str, **values: object) -> None:
        """Change the status of a version; one write of it is made at the end."""
        version = self.versions[name]
        status = version.status.model_copy(update=values)
        if status == version.status:
            return
        self.versions[name] = VersionObject(
            name=name,
            uid=version.uid,
            spec=version.spec,
            status=status,
        )
        if name not in self._changed:
            self._changed.append(name)

    def move(self, name: str, stage: VersionStage, **values: object) -> None:
        """Move a version to a stage and say so, in one event for all stages of a turn."""
        self.change(name, stage=stage, stage_since=self.time, **values)
        before = self._passed.get(name)
        message = f"{name}: {words.STAGES[stage]}"
        if before is not None:
            self._events.remove(before)
            message = f"{before.message}; {words.STAGES[stage]}"
        self._passed[name] = self._tell("Normal", stage.value, message, name)

    def end(
        self, name: str, stage: VersionStage, reason: str, message: str, *, automatic: bool = True
    ) -> None:
        """Decide on a version, with the numbers, and take its requests away if it loses them."""
        before = self.versions[name].status.stage
        number = self.next_number()
        decision = VersionDecision(
            outcome=stage.value,
            reason=reason,
            message=message[:8192],
            at=self.now,
            sequence=number,
            automatic=automatic,
            stage=before,
        )
        promoted = stage is VersionStage.PROMOTED
        if not promoted and (self.route_weights.get(name) or self.versions[name].status.weight):
            self.retreat()
        self.change(
            name,
            stage=stage,
            stage_since=self.time,
            decision=decision,
            weight=100 if promoted else 0,
            unready_since=None,
            **({"promoted_at": self.now, "promotion": number} if promoted else {}),
        )
        kind = self.say if promoted or stage is VersionStage.SUPERSEDED else self.warn
        kind(reason, f"{name} {stage.value}: {message}", version=name)

    def say(self, reason: str, message: str, *, version: str = "") -> None:
        """Add a Normal event; `version` as in `Event`."""
        self._tell("Normal", reason, message, version)

    def warn(self, reason: str, message: str, *, version: str = "") -> None:
        """Add a Warning event; `version` as in `Event`."""
        self._tell("Warning", reason, message, version)

    def _tell(
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
        """Set a condition; return whether its reason was another at the start of the turn.

        So a warning is made once, not at each look. The transition, too, is one against the start.
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

    def look_again(self, after: datetime.timedelta) -> None:
        """Ask for the next look no later than that."""
        self._requeue = min(self._requeue, max(after, datetime.timedelta(seconds=1)))

    # --- time

    def due(
        self, since: datetime.datetime, limit: datetime.timedelta, every: datetime.timedelta
    ) -> bool:
        """Return whether so long was watched since then; `every` is how often it is looked at."""
        waits = self.time - since < limit
        if waits:
            self._paces.append(clock.pace(limit, every))
        return not waits

    def _keep_time(self) -> None:
        """Keep the model's time while something is waited for; it stands still in a pause."""
        stored, candidate = self.model.status.clock, self.candidate
        rolls_out = candidate is not None and candidate.status.stage in ROLLING_OUT
        if rolls_out and (self.spec.paused or self.held) and not self._paces:
            return
        # A check of the data that has failed is repeated, and its pause starts with this look.
        failed = any(self.versions[n].status.stage is VersionStage.FAILED for n in self._changed)
        paces = [*self._paces, IDLE] if rolls_out or failed else self._paces
        if self.model.deleting or not paces:
            self.set_status(clock=None)
            return
        # The model's time goes on with the looks.
        self.look_again(IDLE)
        written = self.status != self.model.status
        pace = min(paces)
        self.set_status(
            clock=clock.kept(stored, wall=self.now, time=self.time, pace=pace, written=written)
        )

    # --- requests by annotation

    def pending(self, action: str) -> str | None:
        """Return the token of a request that was not handled yet."""
        token = self.model.annotations.get(action, "").strip()[:253]
        if not token:
            return None
        handled = any(h.action == action and h.token == token for h in self.status.handled)
        return None if handled else token

    def handled(self, action: str, token: str, result: str) -> None:
        """Record what became of a request, so that it is done once."""
        entry = HandledAction(action=action, token=token, at=self.now, result=result[:1024])
        known = [*self.status.handled, entry]
        newest = {h.action: h for h in known}
        while len(known) > MAX_HANDLED:
            known.remove(next(h for h in known if newest[h.action] is not h))
        self.set_status(handled=tuple(known))

    # --- the end

    def finish(self) -> Decision:
        """Return the decision with its actions in the safe order."""
        asked = self.asked_weights
        for version in [] if self.model.deleting else list(self.versions.values()):
            if version.status.weight != asked.get(version.name, 0):
                self.change(version.name, weight=asked.get(version.name, 0))
        self._keep_time()
        requeue, filling = self._requeue, self.filling
        if filling is not None:
            filling = dataclasses.replace(filling, rest=requeue.total_seconds())
            requeue = min(requeue, datetime.timedelta(seconds=filling.pause))
        before, after = self._traffic(asked)
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

    def _traffic(self, asked: Mapping[str, int]) -> tuple[list[Action], list[Action]]:
        """Return the writes of the route that go first, and those that go last."""
        if self.model.deleting or self.observed.platform.missing:
            return [], []
        if self.hosting.host is None:
            return ([RemoveTraffic()], []) if self.observed.traffic.weights else ([], [])
        renamed = self.observed.traffic.host != self.hosting.host and bool(self.hosting.host)
        if self.route_weights == asked and not (asked and (self._retreat or renamed)):
            return [], []
        if not asked:
            return [], ([RemoveTraffic()] if self._route_is_orphaned() else [])
        action = SetTraffic(weights=dict(asked), host=self.hosting.host)
        return ([action], []) if self._retreat else ([], [action])

    def _route_is_orphaned(self) -> bool:
        """Whether every version of the route is known to be unfit: a gap in a list is no proof."""
        return all(
            name in self.versions
            and self.versions[name].status.stage in TERMINAL - {VersionStage.PROMOTED}
            for name in self.route_weights
        )
