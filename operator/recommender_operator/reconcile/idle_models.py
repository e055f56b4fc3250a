"""Models at rest: a pass of one is needed only if something that it would read has changed.

Each model is reconciled every few minutes, whatever the watches report. If the last full pass
changed nothing and waits for nothing, the next one reads again only what no cache has, and
compares the resourceVersions of the cached objects. The decision depends on these and on the
time, and says itself when the time alone changes it.
"""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Awaitable, Callable
from typing import Generic

from recommender_operator.actions import Decision
from recommender_operator.adapters.kinds import HTTP_ROUTES, INFERENCE_SERVICES
from recommender_operator.api.conditions import ConditionType, find
from recommender_operator.api.spec import TrafficMode
from recommender_operator.context import host_check
from recommender_operator.controller.kube import KubeError
from recommender_operator.controller.schedule import K
from recommender_operator.reconcile.observer import Snapshot
from recommender_operator.reconcile.uncached_reads import Answers, answers

#: The resourceVersions of a model's cached objects; None if they are not known.
Trace = tuple[int, ...] | None
Again = Callable[[], Awaitable[Answers]]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Rest:
    """The reads of the last full pass; they hold until either clock shows the end."""

    trace: Trace
    answers: Answers
    again: Again
    began: datetime.datetime
    rest: float
    ends: float


class IdleModels(Generic[K]):
    """The models at rest."""

    def __init__(
        self,
        *,
        trace: Callable[[K], Trace],
        longest_wait: float,
        now: Callable[[], datetime.datetime],
        clock: Callable[[], float] = time.monotonic,
        checked: Callable[[K], None] = lambda _: None,
    ) -> None:
        """`longest_wait` is the maximum time between two passes, whole or not, in seconds.

        `checked` is called for each pass that was not needed.
        """
        self._trace = trace
        self._longest_wait = longest_wait
        self._now = now
        self._clock = clock
        self._checked = checked
        self._kept: dict[K, _Rest] = {}
        #: The traces at the start of the passes in progress, unless there was a cause since.
        self._in_progress: dict[K, Trace] = {}

    def cause(self, key: K) -> None:
        """Require a full pass after a change."""
        self._kept.pop(key, None)
        self._in_progress.pop(key, None)

    def clear(self) -> None:
        """Require a full pass of every model."""
        self._kept.clear()
        self._in_progress.clear()

    def start_pass(self, key: K) -> None:
        """Start a full pass."""
        self._kept.pop(key, None)
        self._in_progress[key] = self._trace(key)

    def end_pass(self, key: K, snapshot: Snapshot, decision: Decision, again: Again) -> None:
        """Keep what a pass found if it changed nothing and waits for nothing.

        `again` reads what no cache has.
        """
        before = self._in_progress.pop(key, None)
        rest = seconds_of(decision)
        if before is None or rest < self._longest_wait or not is_at_rest(snapshot, decision):
            return
        # A write of this pass has changed it, too.
        if self._trace(key) != before:
            return
        self._kept[key] = _Rest(
            trace=before,
            answers=answers(snapshot.observed),
            again=again,
            began=self._now(),
            rest=rest,
            ends=self._clock() + rest,
        )

    async def pause(self, key: K) -> float | None:
        """Return the seconds until the next pass; None if a full pass is needed."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        left = self._left(kept)
        if left <= 0 or self._trace(key) != kept.trace:
            return None
        try:
            found = await kept.again()
        except KubeError:
            return None  # The full pass reports it.
        if found != kept.answers or self._kept.get(key) is not kept:
            return None
        if self._trace(key) != kept.trace:
            return None
        self._checked(key)
        return min(self._longest_wait, left)

    def _left(self, kept: _Rest) -> float:
        """Return the seconds until the end by the clock that is ahead; 0 if one went back."""
        passed = (self._now() - kept.began).total_seconds()
        return min(kept.ends - self._clock(), kept.rest - passed) if passed >= 0 else 0.0


def seconds_of(decision: Decision) -> float:
    """Return for how many seconds time alone changes nothing; while a window fills, `rest`."""
    if decision.filling is not None:
        return decision.filling.rest
    after = decision.requeue_after
    return 0.0 if after is None else after.total_seconds()


def is_at_rest(snapshot: Snapshot, decision: Decision) -> bool:
    """Return whether the next decision can only differ by what a check of a rest compares.

    Otherwise a pass found something that another pass may find differently: what the collector or
    pods answer, what other models do, or what is looked for until it is found.
    """
    seen, status = snapshot.observed, decision.status
    acts = decision.actions or decision.events or decision.finished or seen.model.deleting
    lacks = snapshot.orphans or snapshot.foreign or snapshot.strangers or seen.platform.missing
    asks = seen.experiment is not None or seen.outcomes is not None or bool(seen.sample_errors)
    fails = (
        seen.scaling.problems
        or seen.scaling.failing_triggers
        or seen.scaling.waits
        or seen.traffic.refused
        or any(baseline.error for baseline in seen.baselines.values())
    )
    drifted = find(status.conditions, ConditionType.DRIFTED)
    waits = status.candidate or (drifted is not None and drifted.status == "True")
    return not (acts or lacks or asks or fails or waits) and _is_routed(snapshot)


def _is_routed(snapshot: Snapshot) -> bool:
    """Return whether the model's route is there, at its own host; a missing one is looked for."""
    seen = snapshot.observed
    if seen.model.spec.rollout.traffic is not TrafficMode.GATEWAY:
        return snapshot.seen.get(INFERENCE_SERVICES, seen.model.name) is not None
    if snapshot.seen.get(HTTP_ROUTES, seen.model.name) is None:
        return False
    return seen.traffic.host == host_check.wanted(seen.model, seen.platform.domain)
