"""Limits of the retrainings of all models of a release: how many at once, and in a day.

`decide` sees one model. This wrapper of it remembers what each model did at its last pass, tells
`decide` whether there is room, and remembers the decision before anything else is awaited. So two
models that are reconciled at the same time cannot take the same room.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Set

from recommender_operator.actions import Decision, StartJob
from recommender_operator.api.status import RecommenderModelStatus, Stage
from recommender_operator.observed import Observed
from recommender_operator.resources import names

DAY = datetime.timedelta(days=1)
#: A retraining has no Job yet for so long at most; one that cannot start keeps no room.
STARTING = datetime.timedelta(minutes=2)
#: A model that was not reconciled for this multiple of the usual time is gone.
GONE = 3
_TRAINING = frozenset(
    {Stage.PENDING, Stage.CHECKING_DATA, Stage.TRAINING, Stage.EVALUATING, Stage.PUBLISHING}
)


@dataclasses.dataclass
class _Model:
    """The knowledge of a model since its last pass."""

    looked_at: datetime.datetime
    is_training: bool = False
    #: Since when it would retrain, if there were room.
    waits_since: datetime.datetime | None = None
    requested: set[datetime.datetime] = dataclasses.field(default_factory=set)
    #: That of the last decision, which the stored status does not show yet, and may never.
    unconfirmed: datetime.datetime | None = None

    def started(self) -> int:
        """Return the number of retrainings that started in a day."""
        return len(self.requested | ({self.unconfirmed} - {None}))


class Retrainings:
    """A `decide` within limits.

    Args:
        decide: decides on a model.
        at_once: most retrainings that train at a time; 0 for no limit.
        per_day: most retrainings that start in 24 hours; 0 for no limit.
        settling: seconds in which all models are reconciled. A new process does not know the
            other models before, so with a limit nothing retrains by itself.
    """

    def __init__(
        self,
        decide: Callable[[Observed, datetime.datetime], Decision],
        at_once: int,
        per_day: int,
        settling: float,
    ) -> None:
        self._decide = decide
        self._at_once = at_once
        self._per_day = per_day
        self._settling = datetime.timedelta(seconds=settling)
        self._since: datetime.datetime | None = None
        self._models: dict[tuple[str, str], _Model] = {}

    def __call__(self, observed: Observed, now: datetime.datetime) -> Decision:
        """Decide, with what the other models leave."""
        if not self._at_once and not self._per_day:
            return self._decide(observed, now)
        self._since = self._since or now
        key = (observed.model.namespace, observed.model.name)
        jobs = {job.version for job in observed.jobs if job.phase == "Running"}
        self._note(key, observed, observed.model.status, jobs, now)
        full = self._full(key, now, self._since)
        decision = self._decide(dataclasses.replace(observed, retrainings_full=full), now)
        model = self._models[key]
        if full and self._would_retrain(observed, decision, now):
            model.waits_since = model.waits_since or now
        else:
            model.waits_since = None
        jobs |= {each.version for each in decision.actions if isinstance(each, StartJob)}
        self._note(key, observed, decision.status, jobs, now)
        if decision.finished:
            del self._models[key]
        return decision

    def _would_retrain(
        self, observed: Observed, decision: Decision, now: datetime.datetime
    ) -> bool:
        """Return whether the model would start another retraining if there were room."""
        free = self._decide(dataclasses.replace(observed, retrainings_full=""), now)
        return free.status.retrain != decision.status.retrain

    def _full(self, key: tuple[str, str], now: datetime.datetime, since: datetime.datetime) -> str:
        """Return why no retraining may start by itself; empty if one may."""
        if now - since < self._settling:
            until = (since + self._settling).isoformat(timespec="seconds")
            return f"none before {until}, when the operator knows what other models train"
        # A model that another release manages now is not reconciled any more.
        for name, other in list(self._models.items()):
            if now - other.looked_at > GONE * self._settling:
                del self._models[name]
        others = {name: each for name, each in self._models.items() if name != key}
        own = self._models[key].waits_since or now
        before = sum(
            each.waits_since is not None and (each.waits_since, name) < (own, key)
            for name, each in others.items()
        )
        training = sum(each.is_training for each in others.values())
        if self._at_once and training >= self._at_once:
            return f"none while {training} other models train (operator.retrainings.atOnce)"
        started = sum(each.started() for each in self._models.values())
        if self._per_day and started >= self._per_day:
            return f"none after {started} in 24 hours (operator.retrainings.perDay)"
        rooms = [self._at_once - training] if self._at_once else []
        rooms += [self._per_day - started] if self._per_day else []
        if before >= min(rooms):
            return f"none before {before} other models, which wait longer"
        return ""

    def _note(
        self,
        key: tuple[str, str],
        observed: Observed,
        status: RecommenderModelStatus,
        jobs: Set[str],
        now: datetime.datetime,
    ) -> None:
        """Remember a status: the stored one, then the decided one."""
        model, retrain = self._models.setdefault(key, _Model(looked_at=now)), status.retrain
        stored = observed.model.status.retrain
        model.looked_at = now
        model.is_training = (
            retrain is not None
            and retrain.spec_hash == _spec_hash(observed)
            and (
                now - retrain.requested_at < STARTING
                or (status.stage in _TRAINING and status.candidate in jobs)
            )
        )
        model.unconfirmed = None
        if stored is not None:
            model.requested.add(stored.requested_at)
        if retrain is not None and retrain != stored:
            model.unconfirmed = retrain.requested_at
        model.requested = {at for at in model.requested if now - at < DAY}


def _spec_hash(observed: Observed) -> str:
    spec = observed.model.spec
    return names.spec_hash(spec.data, spec.training)
