"""The resources as this tool knows them.

A field has the name of its field in the API, or names it; `fields.py` reads the others.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from dataclasses import field

from recommender_contract.typed_json import Json, at
from recommender_kubectl.experiment_objects import Experiment, Interleaving


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of a step, judged on served traffic."""

    name: str = field(metadata=at("metric"))
    verdict: str
    value: float | None
    low: float | None
    high: float | None
    stable: float | None = field(metadata=at("stableValue"))
    threshold: str
    samples: int = field(metadata=at("sampleSize"))
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gate:
    """An offline gate of a version."""

    name: str = field(metadata=at("metric"))
    passed: bool
    value: float | None
    low: float | None
    high: float | None
    threshold: str
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """A step of a rollout; the last one is in progress while it has no end.

    The one of weight 0 is the shadow phase, in which the candidate answers copies of requests.
    """

    weight: int
    started_at: datetime.datetime
    ended_at: datetime.datetime | None
    verdict: str
    metrics: tuple[Metric, ...]
    #: Whether the stable values are those of a fresh deployment of the champion.
    fresh_champion: bool = False

    @property
    def is_shadow(self) -> bool:
        """True if nobody sees the answers."""
        return self.weight == 0

    @property
    def title(self) -> str:
        """Its name for people."""
        if self.is_shadow:
            return "Shadow phase"
        return f"Step at {self.weight} %" + (" beside a fresh champion" * self.fresh_champion)

    @property
    def samples(self) -> int:
        """Requests of the candidate in its window."""
        return max((metric.samples for metric in self.metrics), default=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """The decision that ended a version."""

    outcome: str
    reason: str
    message: str
    at: datetime.datetime | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Version:
    """A ModelVersion."""

    name: str
    created_at: datetime.datetime | None
    trigger: str
    data: Json
    training: Json
    stage: str = "Pending"
    stage_since: datetime.datetime | None
    weight: int
    promoted_at: datetime.datetime | None
    data_version: str | None = field(metadata=at("lineage.dataVersion"))
    data_rows: int | None = field(metadata=at("lineage.dataRows"))
    code_version: str | None = field(metadata=at("lineage.codeVersion"))
    seed: int | None = field(metadata=at("lineage.seed"))
    #: The version whose network it has, with a new calibration; None if it was trained.
    recalibrated_from: str | None = field(metadata=at("lineage.recalibratedFrom"))
    found_hyperparameters: Json = field(metadata=at("search.hyperparameters"))
    metrics: Mapping[str, float]
    gates: tuple[Gate, ...]
    smoke_passed: bool | None = field(metadata=at("smoke.passed"))
    smoke_message: str = field(metadata=at("smoke.message"))
    steps: tuple[Step, ...]
    experiment: Experiment | None
    decision: Decision | None
    failure: str
    published: bool
    interleaving: Interleaving | None = None

    def split(self, weight: int | None) -> str:
        """Return the unit of a candidate's share with this weight: users or requests."""
        return "requests" if self.experiment is None or weight == 100 else "users"

    @property
    def gates_held(self) -> bool:
        """True if it has gates, and passed all."""
        return bool(self.gates) and all(gate.passed for gate in self.gates)

    @property
    def step(self) -> Step | None:
        """The step in progress."""
        return self.steps[-1] if self.steps and self.steps[-1].ended_at is None else None

    @property
    def mixed(self) -> Interleaving | None:
        """The interleaving in progress."""
        own = self._interleaving_before_users
        return own if own is not None and own.runs else None

    @property
    def awaits_mixed(self) -> bool:
        """True if its interleaving has yet to begin."""
        own = self._interleaving_before_users
        return own is not None and own.started_at is None and own.ended_at is None

    @property
    def _interleaving_before_users(self) -> Interleaving | None:
        return self.interleaving if self.stage == "Canary" and not self.weight else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Condition:
    """A condition of a model."""

    type: str
    status: str
    reason: str
    message: str
    since: datetime.datetime | None = field(metadata=at("lastTransitionTime"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Handled:
    """A request by annotation, and its result."""

    action: str
    token: str
    result: str

    @property
    def refused(self) -> bool:
        """True if the operator refused it."""
        return self.result.startswith("Refused")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Retraining:
    """The last retraining that the operator started."""

    version: str
    at: datetime.datetime


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """The decision on the last version that has one."""

    version: str
    outcome: str
    reason: str
    summary: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rollout:
    """The rollout of the spec, and its analysis of a step; durations in seconds."""

    weights: tuple[int, ...]
    manual: bool
    step_seconds: float = field(metadata=at("rollout.analysis.stepSeconds"))
    min_requests: int = field(metadata=at("rollout.analysis.minRequests"))
    deadline_seconds: float = field(metadata=at("rollout.analysis.deadlineSeconds"))
    on_deadline: str = field(metadata=at("rollout.analysis.onDeadline"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """A RecommenderModel."""

    namespace: str
    name: str
    resource_version: str
    generation: int
    paused: bool
    rollback_to: str | None
    rollout: Rollout
    observed_generation: int
    stage: str = "Pending"
    champion: str | None
    candidate: str | None
    previous: str | None
    champion_weight: int | None
    candidate_weight: int | None
    #: Fresh deployment of the champion beside the candidate, and its part of championWeight.
    fresh_champion: str | None
    fresh_champion_weight: int | None
    #: The gain of the recommender, in words; empty without a measure.
    holdout: str = field(metadata=at("holdout.message"))
    verdict: str | None
    last_outcome: Outcome | None
    url: str | None
    route_pending_since: datetime.datetime | None
    #: How far model time, which steps are measured in, is behind the wall clock: it leaves out
    #: what the operator did not observe.
    clock_lag: datetime.timedelta
    locked: bool
    consecutive_rollbacks: int
    #: Tokens of the requests by annotation, by the name of their action.
    asked: Mapping[str, str]
    handled: tuple[Handled, ...]
    #: None if there was none, or one of a release that does not name its version.
    retraining: Retraining | None
    conditions: tuple[Condition, ...]

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of a type; None if it is not set."""
        return next((one for one in self.conditions if one.type == kind), None)

    @property
    def standby_answers(self) -> bool:
        """True if the previous version answers in place of the champion."""
        available = self.condition("Available")
        return available is not None and available.reason == "StandbyServes"

    def mixes(self, version: Version) -> bool:
        """Return whether users get lists with items of a version now."""
        own = version.mixed
        return own is not None and own.unmixed_since is None and not self.standby_answers
