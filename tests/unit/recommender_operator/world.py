"""A small simulated cluster that executes the actions of `decide`, and watches its promises.

It knows the truth that the operator may not betray (which version would pass its gates and its
smoke inference) and checks every single action against it, so that any test that runs the world
tests the promises as well. It can die after any prefix of the actions.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping

from recommender_operator import actions as a
from recommender_operator.analysis.window import CREATED
from recommender_operator.api.spec import Algorithm, RecommenderModelSpec
from recommender_operator.api.status import RecommenderModelStatus
from recommender_operator.api.version import TERMINAL, ModelVersionStatus, Smoke, VersionStage
from recommender_operator.decide import decide
from recommender_operator.observed import (
    Baseline,
    Claim,
    JobKind,
    JobState,
    ModelObject,
    Observed,
    Platform,
    Rival,
    Sample,
    ServiceState,
    TrafficState,
    VersionObject,
)
from recommender_operator.phases import hosts, storage
from recommender_operator.resources import names

START = datetime.datetime(2026, 1, 1, 12, 0, tzinfo=datetime.UTC)
GOOD = {"auc": 0.8}
BAD = {"auc": 0.5}
#: What the default gate asks for.
LEAST_AUC = 0.6
JobKey = tuple[JobKind, str, int]


def spec(**sections: object) -> RecommenderModelSpec:
    """Return a spec with short times; drift is off unless asked for."""
    base: dict[str, object] = {
        "data": {"source": {"claimName": "raw"}},
        "storage": {"claimName": "store"},
        "analysis": {"stepSeconds": 20, "intervalSeconds": 5, "deadlineSeconds": 300},
        "drift": {"enabled": False},
    }
    return RecommenderModelSpec.model_validate(base | sections)


def counters(version: str, served: int, failed: int = 0, fallbacks: int = 0) -> dict[str, float]:
    """Return the counters of a pod after so many requests, `failed` of them with errors."""
    labels = f'model="movies",version="{version}"'
    good = served - failed
    buckets = [0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 5]
    series: dict[str, float] = {
        f'recommender_requests_total{{{labels},outcome="ok"}}': good,
        f'recommender_requests_total{{{labels},outcome="error"}}': failed,
        f'recommender_answers_total{{{labels},source="model"}}': good - fallbacks,
        f'recommender_answers_total{{{labels},source="baseline"}}': fallbacks,
        f'recommender_fallbacks_total{{{labels},reason="timeout"}}': fallbacks,
        f"recommender_sessions_total{{{labels}}}": served,
    }
    name = "recommender_request_duration_seconds_bucket"
    for edge in buckets:
        series[f'{name}{{{labels},le="{edge}"}}'] = served if edge >= 0.01 else 0
    series[f'{name}{{{labels},le="+Inf"}}'] = served
    return series


def _key(version: VersionObject) -> int:
    training = version.spec.training
    return training.seed if training.algorithm is Algorithm.DEEP_RANKER else -training.seed


Mix = Mapping[str, Mapping[str, float]]
#: Sessions as they were trained on: shares of the bins by feature.
USUAL: Mix = {
    "age": {"0": 0.2, "1": 0.3, "2": 0.3, "3": 0.2},
    "gender": {"0": 0.3, "1": 0.7, "null": 0.0},
    "top_score": {"0": 0.5, "1": 0.5},
}


def features(version: str, sessions: Mix, reference: Mix) -> dict[str, float]:
    """Return the feature counters of a pod: sessions counted, and its reference."""
    series: dict[str, float] = {}
    for metric, counts, scale in (
        ("recommender_feature_values_total", sessions, 1),
        ("recommender_reference_sessions", reference, 5000),
    ):
        for feature, bins in counts.items():
            for label, count in bins.items():
                labels = f'model="movies",version="{version}",feature="{feature}",bin="{label}"'
                series[f"{metric}{{{labels}}}"] = round(count * scale)
    return series


@dataclasses.dataclass
class Service:
    uid: str
    ready: bool = True
    pods: int = 1
    served: int = 0
    failed: int = 0
    restarts: int = 0
    disrupted: bool = False
    sessions: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)

    def serve(self, count: int, mix: Mix) -> None:
        self.served += count
        for feature, bins in mix.items():
            seen = self.sessions.setdefault(feature, {})
            for label, share in bins.items():
                seen[label] = seen.get(label, 0) + count * share

    def crash(self) -> None:
        """The pod's container starts again, and its counters with it."""
        self.restarts += 1
        self.served = self.failed = 0
        self.sessions = {}


@dataclasses.dataclass
class World:
    """The cluster. Public fields may be changed by a test as a user or an accident would."""

    spec: RecommenderModelSpec = dataclasses.field(default_factory=spec)
    now: datetime.datetime = START
    generation: int = 1
    annotations: dict[str, str] = dataclasses.field(default_factory=dict)
    deleting: bool = False
    status: RecommenderModelStatus = dataclasses.field(default_factory=RecommenderModelStatus)
    versions: dict[str, VersionObject] = dataclasses.field(default_factory=dict)
    jobs: dict[JobKey, JobState] = dataclasses.field(default_factory=dict)
    services: dict[str, Service] = dataclasses.field(default_factory=dict)
    route: dict[str, int] = dataclasses.field(default_factory=dict)
    accepted: bool = True
    baselines: dict[str, Baseline] = dataclasses.field(default_factory=dict)
    platform: Platform = dataclasses.field(default_factory=Platform)
    #: Host of the route, since when the route exists, and other routes.
    route_host: str = ""
    route_since: datetime.datetime | None = None
    rivals: tuple[Rival, ...] = ()
    #: Claims of the namespace; those that are not here are not looked at.
    claims: dict[str, Claim | None] = dataclasses.field(default_factory=dict)
    #: What is true of a version, by its seed: offline metrics, smoke inference, share of errors.
    metrics: dict[int, Mapping[str, float | None]] = dataclasses.field(default_factory=dict)
    #: What is true of the baseline, trained in place of a version that failed a gate.
    baseline_metrics: dict[int, Mapping[str, float | None]] = dataclasses.field(
        default_factory=dict
    )
    smoke_fails: set[int] = dataclasses.field(default_factory=set)
    error_share: dict[int, float] = dataclasses.field(default_factory=dict)
    #: Seeds whose versions come out byte for byte alike.
    twins: set[int] = dataclasses.field(default_factory=set)
    #: Fields of reports that are not as they should be.
    odd_reports: dict[JobKind, dict[str, object]] = dataclasses.field(default_factory=dict)
    #: Versions that have no counters to give.
    mute: set[str] = dataclasses.field(default_factory=set)
    requests_per_second: int = 40
    #: Sessions as they come in now, and as a seed's broken version sees them.
    mix: Mix = dataclasses.field(default_factory=lambda: USUAL)
    broken_mix: dict[int, Mix] = dataclasses.field(default_factory=dict)
    #: The sessions that a version was trained on.
    trained_on: dict[str, Mix] = dataclasses.field(default_factory=dict)
    #: The weights that were asked for when the model was paused.
    frozen: dict[str, int] | None = None
    log: list[a.Action] = dataclasses.field(default_factory=list)
    events: list[a.Event] = dataclasses.field(default_factory=list)
    finished: bool = False
    #: Jumps of the clock on the wall, by the number of the look before which they happen.
    jumps: Mapping[int, datetime.timedelta] = dataclasses.field(default_factory=dict)
    looks: int = 0
    #: The operator dies after every write that changes something; the model's status is one.
    mortal: bool = False

    # --- what a user does

    def edit(self, **sections: object) -> None:
        was = self.spec.paused
        self.spec = RecommenderModelSpec.model_validate(self.spec.dump() | sections)
        if self.spec.paused != was:
            requested = {name: v.status.weight for name, v in self.versions.items()}
            self.frozen = requested if self.spec.paused else None
        self.generation += 1

    def seed(self, seed: int) -> None:
        self.edit(training={"seed": seed})

    # --- what happens by itself

    def tick(self, seconds: float = 5) -> None:
        """Time passes, and requests are served as the route says."""
        self.now += datetime.timedelta(seconds=seconds)
        for version, weight in self.route.items():
            service = self.services.get(version)
            if service is not None and service.ready:
                served = int(self.requests_per_second * seconds * weight / 100)
                seen = dict(self.mix) | dict(self.broken_mix.get(self._seed(version), {}))
                service.serve(served, seen)
                service.failed += int(served * self.error_share.get(self._seed(version), 0))

    def watch(self, seconds: float, every: float = 5) -> None:
        """So much time passes under the operator's eyes; the last look is the caller's."""
        while seconds > 0:
            self.reconcile()
            self.tick(min(every, seconds))
            seconds -= every

    def finish_jobs(self) -> None:
        for key, job in list(self.jobs.items()):
            if job.phase == "Running":
                self.jobs[key] = dataclasses.replace(
                    job,
                    phase="Succeeded",
                    report=self.report(job) | self.odd_reports.get(job.kind, {}),
                )

    def fail_job(self, kind: JobKind, reason: str = "OOMKilled", message: str = "the end") -> None:
        for key, job in list(self.jobs.items()):
            if job.kind is kind and job.phase == "Running":
                self.jobs[key] = dataclasses.replace(
                    job, phase="Failed", reason=reason, message=message
                )

    def report(self, job: JobState) -> dict[str, object]:
        head = {"schema": "recommender.dev/report/v1", "kind": str(job.kind), "ok": True}
        twin = self._seed(job.version) in self.twins
        digest = "sha256:" + ("0" * 8 if twin else job.version[-8:]) * 8
        match job.kind:
            case JobKind.CHECK:
                return head | {"dataVersion": "7-abc", "rows": 1000, "quarantinedRows": 3}
            case JobKind.TRAIN:
                metrics = self._truth(job.version)
                self.trained_on[job.version] = self.mix
                path = f"staging/movies/{job.version}-{job.attempt}"
                return head | {
                    "dataVersion": "7-abc",
                    "rows": 1000,
                    "metrics": metrics,
                    "stagedPath": path,
                    "digest": digest,
                    "seed": self._seed(job.version),
                    "codeVersion": "0.1.0",
                }
            case JobKind.PUBLISH:
                return head | {"path": f"artifacts/movies/{digest[7:23]}", "digest": digest}
            case JobKind.REMOVE:
                return head | {"removed": []}
            case JobKind.SNAPSHOT:
                return head | {
                    "dataVersion": f"i{job.attempt}.u1.t0-{job.attempt:016x}",
                    "takenAt": self.now.isoformat(),
                    "rows": 1000,
                    "newRows": 50,
                    "quarantinedRows": 2,
                    "snapshots": 3,
                    "oldest": START.isoformat(),
                }

    def _truth(self, version: str) -> Mapping[str, float | None]:
        known = self.versions.get(version)
        baseline = known is not None and known.spec.training.algorithm is not Algorithm.DEEP_RANKER
        truth = self.baseline_metrics if baseline else self.metrics
        return truth.get(self._seed(version), GOOD)

    def _seed(self, version: str) -> int:
        known = self.versions.get(version)
        return known.spec.training.seed if known else -1

    # --- what the operator sees and does

    def observe(self) -> Observed:
        model = ModelObject(
            name="movies",
            namespace="shop",
            uid="u",
            generation=self.generation,
            spec=self.spec,
            status=self.status,
            annotations=dict(self.annotations),
            deleting=self.deleting,
        )
        return Observed(
            model=model,
            versions=tuple(self.versions.values()),
            jobs=tuple(self.jobs.values()),
            services={
                name: ServiceState(
                    version=name,
                    ready=s.ready,
                    ready_pods=s.pods,
                    uid=s.uid,
                    restarts=s.restarts,
                    restart_reason="container main: OOMKilled" if s.restarts else "",
                    disrupted=not s.ready and s.disrupted,
                )
                for name, s in self.services.items()
            },
            traffic=TrafficState(
                weights=dict(self.route),
                accepted=self.accepted,
                host=self.route_host,
                created_at=self.route_since,
            ),
            rivals=self.rivals,
            claims=dict(self.claims),
            samples=self._samples(),
            baselines=dict(self.baselines),
            platform=self.platform,
        )

    def checked(self) -> storage.Storage:
        """Return what is wrong with the claims."""
        return storage.check(self.observe())

    def _samples(self) -> dict[str, Sample]:
        """Only versions that serve, or are about to, are asked for counters."""
        requested = {name for name, weight in self.route.items() if weight > 0}
        requested |= {self.status.champion or "", *self.unfinished()} - self.mute
        return {
            name: {
                f"{name}-pod": counters(name, s.served, s.failed)
                | {CREATED: float(s.restarts)}
                | features(name, s.sessions, self.trained_on.get(name, USUAL))
            }
            for name, s in self.services.items()
            if s.ready and name in requested - self.mute
        }

    def reconcile(self, crash_after: int | None = None) -> a.Decision:
        """One look. With `crash_after`, the operator dies after so many actions."""
        self.looks += 1
        self.now += self.jumps.get(self.looks, datetime.timedelta())
        decision = decide(self.observe(), self.now)
        for place, action in enumerate(decision.actions):
            if crash_after is not None and place >= crash_after:
                return decision
            before = self._written()
            self._execute(action)
            self.check()
            if self.mortal and self._written() != before:
                return decision
        if crash_after is not None:
            return decision
        self.status = RecommenderModelStatus.model_validate(decision.status.dump())
        self.events.extend(decision.events)
        self.finished = decision.finished
        return decision

    def _written(self) -> tuple[object, ...]:
        """Return what actions write."""
        state = (self.versions, self.jobs, self.services, self.route, self.baselines)
        return tuple(dict(part) for part in state)

    def settle(self, looks: int = 200, crashes: tuple[int, ...] = ()) -> None:
        """Let benign time pass until nothing is left to do."""
        left = list(crashes)
        quiet = 0
        for _ in range(looks):
            crash = left.pop(0) if left else None
            before = self.status
            decision = self.reconcile(crash)
            self.finish_jobs()
            still = crash is None and not decision.actions and self.status == before
            quiet = quiet + 1 if still else 0
            if quiet >= 6 and not any(j.phase == "Running" for j in self.jobs.values()):
                return
            self.tick()
        raise AssertionError(f"not settled after {looks} looks: {self.summary()}")

    def settle_served(self, looks: int = 40) -> None:
        """Let benign time pass while requests are served."""
        for _ in range(looks):
            self.reconcile()
            self.finish_jobs()
            self.tick()

    def _execute(self, action: a.Action) -> None:
        self.log.append(action)
        match action:
            case a.CreateVersion():
                if action.name not in self.versions:
                    self.versions[action.name] = VersionObject(
                        name=action.name,
                        uid=f"{action.name}-{len(self.log)}",
                        spec=action.spec,
                        status=ModelVersionStatus(),
                    )
            case a.UpdateVersion():
                assert action.name in self.versions, "wrote the status of what does not exist"
                self._write(action.name, ModelVersionStatus.model_validate(action.status.dump()))
            case a.DeleteVersion():
                self._delete_version(action.name)
            case a.StartJob():
                self._start(action)
            case a.CancelGroup():
                self._cancel(action)
            case a.CancelJob():
                assert self.deleting, "cancelled a Job of a living model"
                self.jobs.pop((action.kind, action.version, action.attempt), None)
            case a.EnsureService():
                self._ensure(action.version)
            case a.DeleteService():
                self._delete_service(action.version)
            case a.RunSmoke():
                self._smoke(action.version)
            case a.SetTraffic():
                self._set_traffic(action.weights, action.host)
            case a.RemoveTraffic():
                unhosted = hosts.resolve(self.observe()).host is None
                assert self.champion() is None or unhosted, "took the route away from a champion"
                self.route, self.route_host, self.route_since = {}, "", None
            case a.SaveBaseline():
                self.baselines[action.key] = Baseline(
                    key=action.key, taken_at=action.taken_at, samples=action.samples
                )
            case a.DropBaseline():
                self.baselines.pop(action.key, None)

    def _write(self, name: str, status: ModelVersionStatus) -> None:
        self.versions[name] = dataclasses.replace(self.versions[name], status=status)

    def _start(self, action: a.StartJob) -> None:
        assert not self.spec.paused or self.deleting, "started a Job while paused"
        key = (action.kind, action.version, action.attempt)
        workers, incarnation = 1, ""
        if action.kind is JobKind.REMOVE:
            own = self.versions.get(action.version)
            incarnation = names.incarnation(own.uid if own is not None else "u")
            key = (action.kind, f"{action.version}-{incarnation}", action.attempt)
        if action.kind is JobKind.TRAIN:
            workers = self.versions[action.version].spec.training.workers
            assert workers == 1 or not self.platform.missing_for_workers, "nothing runs TrainJobs"
        if action.kind is JobKind.SNAPSHOT:
            self._check_writers(action)
        if key not in self.jobs:
            self.jobs[key] = JobState(
                kind=action.kind,
                version=action.version,
                attempt=action.attempt,
                phase="Running",
                group=workers > 1,
                incarnation=incarnation,
            )

    def _check_writers(self, action: a.StartJob) -> None:
        assert action.version == "movies", "a snapshot is of a model"
        writers = [
            job
            for job in self.jobs.values()
            if job.phase == "Running" and job.kind is JobKind.SNAPSHOT
        ]
        assert not writers, "two snapshots at a time"

    def _cancel(self, action: a.CancelGroup) -> None:
        key = (JobKind.TRAIN, action.version, action.attempt)
        job = self.jobs.pop(key, None)
        version = self.versions[action.version]
        if job is not None and job.phase == "Running" and version.status.attempt == job.attempt:
            assert version.status.stage in TERMINAL, "cancelled a training that is waited for"

    def _ensure(self, version: str) -> None:
        assert self.versions[version].status.artifact is not None, "served what is not published"
        if version not in self.services:
            self.services[version] = Service(uid=f"service-{len(self.log)}")

    def _delete_service(self, version: str) -> None:
        if not self.deleting:
            assert self.route.get(version, 0) == 0, f"deleted {version}, which has requests"
            assert version != self.champion(), "deleted the stable version's service"
        self.services.pop(version, None)

    def _delete_version(self, name: str) -> None:
        if not self.deleting:
            known = self.versions[name].status.stage
            assert known in TERMINAL, "deleted a version on its way"
            assert name != self.champion(), "deleted the champion"
        self.versions.pop(name, None)
        self.services.pop(name, None)
        # Removals belong to the model, and outlive the version.
        self.jobs = {
            key: job
            for key, job in self.jobs.items()
            if job.version != name or job.kind is JobKind.REMOVE
        }

    def _smoke(self, version: str) -> None:
        passed = self._seed(version) not in self.smoke_fails
        uid = self.services[version].uid if version in self.services else ""
        smoke = Smoke(passed=passed, message="seen", at=self.now, service=uid)
        status = self.versions[version].status.model_copy(update={"smoke": smoke})
        self._write(version, status)

    def _set_traffic(self, weights: Mapping[str, int], host: str) -> None:
        assert sum(weights.values()) == 100, f"weights sum to {sum(weights.values())}"
        for version, weight in weights.items():
            assert 0 < weight <= 100, f"{version} was given {weight}"
            more = weight > self.route.get(version, 0)
            if more and version != self.champion():
                self._check_fit(version)
                self._check_pause(version, weight)
        self.route, self.route_host = dict(weights), host
        self.route_since = self.route_since or self.now

    def _check_fit(self, version: str) -> None:
        status = self.versions[version].status
        assert status.gates, f"{version} has requests before its gates"
        assert all(gate.passed for gate in status.gates), f"{version} failed a gate"
        auc = status.metrics.get("auc")
        assert auc is not None, f"{version} has requests without a metric"
        assert auc >= LEAST_AUC, f"{version} has requests with an auc of {auc}"
        assert status.smoke is not None, f"{version} has requests before its smoke inference"
        assert status.smoke.passed, f"{version} failed its smoke inference"

    def _check_pause(self, version: str, weight: int) -> None:
        """While paused a version gets no more than it had, unless requests go back to it."""
        goal = self.spec.rollback_to or self.annotations.get("rollback-to", "").split("#")[0]
        if self.frozen is None or version in (goal, self.status.previous):
            return
        assert weight <= self.frozen.get(version, 0), "moved forward while paused"

    # --- the truth, computed apart from the operator

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

    def check(self) -> None:
        assert len(self.unfinished()) <= 1, f"two candidates: {self.unfinished()}"

    def stages(self) -> dict[int, str]:
        """Stage by seed; that of the baseline by the negative seed."""
        return {_key(v): v.status.stage.value for v in self.versions.values()}

    def condition(self, kind: str) -> tuple[str, str]:
        found = next(c for c in self.status.conditions if c.type == kind)
        return found.status, found.reason

    def message(self, kind: str) -> str:
        return next(c for c in self.status.conditions if c.type == kind).message

    def summary(self) -> dict[str, object]:
        """Everything that matters at the end, without times and numbers."""
        return {
            "stages": self.stages(),
            "decisions": {
                v.spec.training.seed: v.status.decision.reason if v.status.decision else None
                for v in self.versions.values()
            },
            "services": sorted(self._seed(name) for name in self.services),
            "route": {self._seed(name): weight for name, weight in self.route.items()},
            "conditions": {c.type: (c.status, c.reason) for c in self.status.conditions},
            "stage": self.status.stage,
            "locked": self.status.locked,
            "rollbacks": self.status.consecutive_rollbacks,
            "handled": {(h.action, h.token) for h in self.status.handled},
        }
