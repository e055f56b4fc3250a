"""The state of the simulated cluster, and the truth about its versions."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping

from recommender_operator import actions as a
from recommender_operator.api.spec import Algorithm, RecommenderModelSpec
from recommender_operator.api.status import RecommenderModelStatus
from recommender_operator.api.version import TERMINAL, VersionStage
from recommender_operator.observed import (
    PLAIN,
    Baseline,
    Claim,
    CollectorReading,
    JobKind,
    JobState,
    Platform,
    Rival,
    Routing,
    Scaling,
    VersionObject,
)
from recommender_operator.resources import baseline_deployment_names
from recommender_operator.resources.assignment_header import Assignment
from tests.sources import SOURCE
from tests.unit.recommender_operator.simulation.counters import USUAL, Mix
from tests.unit.recommender_operator.simulation.users import Users

START = datetime.datetime(2026, 1, 1, 12, 0, tzinfo=datetime.UTC)
GOOD = {"auc": 0.8}
BAD = {"auc": 0.5}
JobKey = tuple[JobKind, str, int]
#: Parts of sections that a test gives without the rest of their section, or leaves out.
PARTS = {
    "rollout": ("analysis", "experiment"),
    "retrain": ("drift",),
    "evaluation": ("gates", "onFailure"),
}


def spec(**sections: object) -> RecommenderModelSpec:
    """Return a spec with short times and one gate, which retrains by itself; drift is off."""
    base: dict[str, object] = {
        "data": {"source": SOURCE},
        "storage": {"persistentVolumeClaim": {"claimName": "store"}},
        "rollout": {"analysis": {"stepSeconds": 20, "intervalSeconds": 5, "deadlineSeconds": 300}},
        "evaluation": {"gates": [{"metric": "auc", "min": 0.6}]},
        "retrain": {"drift": {"enabled": False}},
    }
    return RecommenderModelSpec.model_validate(in_mode("Auto", changed(base, sections)))


def changed(before: Mapping[str, object], sections: Mapping[str, object]) -> dict[str, object]:
    """Return a spec with other sections: each replaces the one before.

    A part of `PARTS` is like a section: it stays if it is not given, and replaces nothing else.
    """
    found = {**before, **sections}
    for name, parts in PARTS.items():
        was, given = before.get(name), sections.get(name)
        if isinstance(was, Mapping) and isinstance(given, Mapping):
            only_parts = bool(given) and all(field in parts for field in given)
            kept = {field: was[field] for field in was if only_parts or field in parts}
            found[name] = {**kept, **given}
    return found


def in_mode(mode: str, sections: dict[str, object]) -> dict[str, object]:
    """Return the sections, with this `retrain.mode` if they have retrain without a mode."""
    retrain = sections.get("retrain")
    if not isinstance(retrain, dict):
        return sections
    return sections | {"retrain": {"mode": mode} | retrain}


@dataclasses.dataclass
class Service:
    uid: str
    ready: bool = True
    pods: int = 1
    #: Whether its fallbacks answer if it has no pods with a model.
    falls_back: bool = False
    served: int = 0
    failed: int = 0
    #: Copies of users' requests that it answered, and those of them with errors.
    copied: int = 0
    copies_failed: int = 0
    restarts: int = 0
    disrupted: bool = False
    #: What the scheduler says of a pod that fits on no node.
    unscheduled: str = ""
    #: Whether an earlier release, or earlier settings, wrote it.
    outdated: bool = False
    sessions: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)

    def serve(self, count: int, mix: Mix) -> None:
        self.served += count
        for feature, bins in mix.items():
            seen = self.sessions.setdefault(feature, {})
            for label, share in bins.items():
                seen[label] = seen.get(label, 0) + count * share

    def ctx(self, *, ready: bool, falls_back: bool = False) -> None:
        """Lose the pods with the model, or get them back."""
        self.ready, self.pods, self.falls_back = ready, int(ready), falls_back

    def crash(self) -> None:
        """The pod's container restarts, which resets its counters."""
        self.restarts += 1
        self.served = self.failed = self.copied = self.copies_failed = 0
        self.sessions = {}


@dataclasses.dataclass
class Cluster:
    """The cluster. A test may change its fields as a user or an accident would."""

    spec: RecommenderModelSpec = dataclasses.field(default_factory=spec)
    now: datetime.datetime = START
    generation: int = 1
    annotations: dict[str, str] = dataclasses.field(default_factory=dict)
    deleting: bool = False
    deleting_since: datetime.datetime | None = None
    #: Pods of a model that is being deleted.
    running_pods: tuple[str, ...] = ()
    status: RecommenderModelStatus = dataclasses.field(default_factory=RecommenderModelStatus)
    versions: dict[str, VersionObject] = dataclasses.field(default_factory=dict)
    jobs: dict[JobKey, JobState] = dataclasses.field(default_factory=dict)
    #: Finished Jobs that the operator has deleted.
    deleted_jobs: set[JobKey] = dataclasses.field(default_factory=set)
    services: dict[str, Service] = dataclasses.field(default_factory=dict)
    route: dict[str, int] = dataclasses.field(default_factory=dict)
    accepted: bool = True
    baselines: dict[str, Baseline] = dataclasses.field(default_factory=dict)
    platform: Platform = dataclasses.field(default_factory=Platform)
    scaling: Scaling = dataclasses.field(default_factory=Scaling)
    #: Host of the route, its creation time, and other routes.
    route_host: str = ""
    route_since: datetime.datetime | None = None
    #: Whether an earlier release wrote the route.
    route_outdated: bool = False
    routing: Routing = PLAIN
    #: The last assignment of users, and the version of the others.
    assigned: Assignment | None = None
    stable_arm: str = ""
    #: What users do, as the collector counts it; its error, if it does not answer.
    users: Users = dataclasses.field(default_factory=Users)
    #: What became of the champion's predictions, as the collector counts it.
    outcomes: CollectorReading | None = None
    #: How far the erasures of users are, as the collector says.
    erasures: CollectorReading | None = None
    #: What snapshots report of the sessions by segment.
    segments: Mapping[str, object] | None = None
    #: Why other models leave no room for a retraining.
    retrainings_full: str = ""
    rivals: tuple[Rival, ...] = ()
    #: Claims of the namespace; claims that are missing here are not checked.
    claims: dict[str, Claim | None] = dataclasses.field(default_factory=dict)
    #: The truth about a version, by seed: offline metrics, smoke inference, share of errors.
    metrics: dict[int, Mapping[str, float | None]] = dataclasses.field(default_factory=dict)
    #: The truth about the baseline that is trained in place of a version that failed a gate.
    baseline_metrics: dict[int, Mapping[str, float | None]] = dataclasses.field(
        default_factory=dict
    )
    smoke_fails: set[int] = dataclasses.field(default_factory=set)
    error_share: dict[int, float] = dataclasses.field(default_factory=dict)
    #: Whether the serving transformers send the copies that the route asks for.
    copies_sent: bool = True
    #: Seeds whose versions are byte for byte equal.
    twins: set[int] = dataclasses.field(default_factory=set)
    #: Invalid fields of reports.
    odd_reports: dict[JobKind, dict[str, object]] = dataclasses.field(default_factory=dict)
    #: Versions without counters.
    mute: set[str] = dataclasses.field(default_factory=set)
    #: Versions with a second ready pod, which served nobody, and whether it answers a scrape.
    others: dict[str, bool] = dataclasses.field(default_factory=dict)
    requests_per_second: int = 40
    #: Current sessions, and those that a seed's broken version sees.
    mix: Mix = dataclasses.field(default_factory=lambda: USUAL)
    broken_mix: dict[int, Mix] = dataclasses.field(default_factory=dict)
    #: The sessions that a version was trained on.
    trained_on: dict[str, Mix] = dataclasses.field(default_factory=dict)
    #: The requested weights when the model was paused.
    frozen: dict[str, int] | None = None
    #: Executed actions.
    log: list[a.Action] = dataclasses.field(default_factory=list)

    def truth_of(self, version: str) -> Mapping[str, float | None]:
        known = self.versions.get(version)
        baseline = known is not None and known.spec.training.algorithm is not Algorithm.DEEP_RANKER
        truth = self.baseline_metrics if baseline else self.metrics
        return truth.get(self.seed_of(version), GOOD)

    def seed_of(self, deployment: str) -> int:
        known = self.versions.get(baseline_deployment_names.version_of(deployment))
        return known.spec.training.seed if known else -1

    def champion(self) -> str | None:
        promoted = [
            (v.status.promotion, v.name)
            for v in self.versions.values()
            if v.status.stage is VersionStage.PROMOTED
        ]
        return max(promoted)[1] if promoted else None

    def stable(self) -> str:
        champion = self.champion()
        assert champion is not None
        return champion

    def unfinished(self) -> list[str]:
        return [n for n, v in self.versions.items() if v.status.stage not in TERMINAL]
