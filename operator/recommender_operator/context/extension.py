"""The points at which a feature extends a pass: how a version is made, and its rollout.

An extension overrides the hooks that it needs; the core walks the list of them
(`extensions/registry.py`) and names none. A hook that is not overridden changes nothing.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from recommender_operator.actions import EnsureService
from recommender_operator.analysis.drift_reactions import Reaction
from recommender_operator.api.conditions import Reason
from recommender_operator.api.status import RetrainStatus
from recommender_operator.api.version import (
    GateResult,
    ModelVersionSpec,
    ModelVersionStatus,
    StepRecord,
)
from recommender_operator.observed import ModelObject, Routing, VersionObject

if TYPE_CHECKING:
    from recommender_operator.context.outcome import Outcome
    from recommender_operator.context.reconcile_context import Context


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """The result of an extension for the step in progress, beside the step's own analysis."""

    message: str
    #: The reason of AnalysisPassed while the step waits for it.
    reason: Reason
    #: Whether the step may pass.
    passes: bool = False
    #: Why the candidate is rolled back; None if it is not.
    rolls_back: Reason | None = None
    #: Whether the rollback protects users, so that it happens even while paused.
    at_once: bool = False
    #: Whether it has a deadline of its own in this step, and whether that has passed.
    measures: bool = False
    overdue: bool = False
    #: When it was won in the step that measures; from then on the step waits for its analysis.
    won_at: datetime.datetime | None = None
    #: Advice while the step is held because it has not won.
    remedy: str = ""
    #: Whether it took users from a version in this pass, so that the route is written first.
    withdrew: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Derivation:
    """How a version is made of another one, in place of a training."""

    #: The version whose network and lists it has.
    source: str
    #: Its fields in the status of a retraining, and in the spec of the version.
    fields: Mapping[str, object]
    #: The noun of messages, as in "a recalibration of".
    noun: str
    #: Start of the trigger of the version.
    trigger: str
    #: Prefix of the token of the request.
    cause: str
    #: Reason of the Event at the request.
    reason: Reason


@dataclasses.dataclass(frozen=True)
class Refused:
    """The reason that nothing can be derived: only a training helps."""

    why: str


class Extension:
    """One feature of a pass; all hooks are optional, and their order is that of a pass."""

    # --- the split of requests

    def route(self, ctx: Context, found: Routing, weights: Mapping[str, int]) -> Routing:
        """Return the routing besides the weights, from that of the extensions before."""
        return found

    def unit(self, version: VersionObject, weight: int) -> str | None:
        """Return what a weight is a percent of; None if of the requests."""
        return None

    def reference(self, ctx: Context) -> str | None:
        """Return the deployment with which a candidate is compared in the champion's place."""
        return None

    def deployments(self, ctx: Context) -> tuple[EnsureService, ...]:
        """Return the deployments that it needs beside champion, previous and candidate."""
        return ()

    def spares(self, ctx: Context) -> Iterable[str]:
        """Return the versions that it may need, so that the history keeps them."""
        return ()

    # --- a version that is derived from another one, in place of a training

    #: The reaction to drift that it carries out in place of a retraining, and its noun.
    reaction: Reaction | None = None
    noun = ""

    def obstacle(self, ctx: Context, champion: VersionObject) -> str | None:
        """Return why nothing can be planned now, but may be soon; None otherwise."""
        return None

    def plan(self, ctx: Context, champion: VersionObject) -> Derivation | Refused:
        """Return what to derive from the champion, or why only a training helps."""
        return Refused("there is no other remedy")

    def is_wanted(self, ctx: Context, retrain: RetrainStatus) -> bool:
        """Return whether a stored retraining of the current spec may still begin."""
        return True

    def derivation(self, made: RetrainStatus | ModelVersionSpec) -> Derivation | None:
        """Return how a requested or existing version is derived; None if it is not, by this."""
        return None

    def advance(self, ctx: Context, out: Outcome, version: VersionObject) -> bool:
        """Advance a version in its stage in place of the core; return whether it did."""
        return False

    def gates(self, ctx: Context, version: VersionObject) -> tuple[GateResult, ...] | None:
        """Return the results of the gates of a version that it derived; None if it did not."""
        return None

    # --- a rollout

    def start(
        self, ctx: Context, out: Outcome, version: VersionObject, rollout: int
    ) -> dict[str, object]:
        """Return the fields of the status with which a rollout starts."""
        return {}

    def protect(self, ctx: Context, out: Outcome, version: VersionObject, *, frozen: bool) -> None:
        """Protect users before anything else, even of a candidate that is not ready."""

    def prepare(self, ctx: Context, out: Outcome, version: VersionObject, *, frozen: bool) -> bool:
        """Follow what it has beside the candidate; return whether the pass ends with that."""
        return False

    def end(
        self, status: ModelVersionStatus, at: datetime.datetime, why: str
    ) -> dict[str, object]:
        """Return the fields of the status of a version that ends."""
        return {}

    # --- a phase before the first step

    def begin(self, ctx: Context, out: Outcome, version: VersionObject) -> bool:
        """Begin the phase; return False if there is none."""
        return False

    def runs(self, version: VersionObject) -> bool:
        """Return whether the phase is in progress."""
        return False

    def evaluate(
        self, ctx: Context, out: Outcome, version: VersionObject, *, frozen: bool
    ) -> bool:
        """Evaluate the phase in progress; return whether it is over and the next one follows."""
        return True

    def has_evidence(self, version: VersionObject) -> bool:
        """Return whether the phase has begun to judge a version."""
        return False

    # --- a step

    def weights(self, status: ModelVersionStatus) -> Iterable[int]:
        """Return the weights of its own steps."""
        return ()

    def widest(self, status: ModelVersionStatus) -> int:
        """Return the least weight of the next step."""
        return 0

    def delay(
        self, ctx: Context, version: VersionObject, weight: int
    ) -> datetime.timedelta | None:
        """Return when to look again for what the next weight waits for; None if for nothing."""
        return None

    def enter(self, ctx: Context, out: Outcome, version: VersionObject, weight: int) -> None:
        """Take part from the next weight on, for which nothing waits any more."""

    def judge(
        self, ctx: Context, out: Outcome, version: VersionObject, record: StepRecord
    ) -> Evidence | None:
        """Return its evidence about the step in progress; None if it has none."""
        return None

    # --- after the candidate, and beside it

    def settle(self, ctx: Context, out: Outcome) -> None:
        """Record what follows from the decided split, with or without a candidate."""

    def counted(self, versions: Iterable[VersionObject]) -> tuple[str, int | None] | None:
        """Return the id by which the collector counts users, and the phase with details."""
        return None

    def measured(self, model: ModelObject, now: datetime.datetime | None) -> str | None:
        """Return the id of the collector's measure that is due at `now`."""
        return None

    # --- what users see

    def describe(self, ctx: Context, candidate: VersionObject, text: str) -> str:
        """Return the text about a candidate's requests, replaced or extended."""
        return text

    def project(self, ctx: Context) -> dict[str, object]:
        """Return fields of the model's status."""
        return {}
