"""A small simulated cluster that executes the actions of `decide` and checks its promises.

It knows the truth about each version: whether it would pass its gates and its smoke inference.
It checks every action against that truth, so every test that runs the world tests the promises
too. The operator can crash after any prefix of the actions.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence

from recommender_operator import actions as a
from recommender_operator.api.spec import Algorithm, RecommenderModelSpec
from recommender_operator.api.status import RecommenderModelStatus
from recommender_operator.api.version import StepRecord
from recommender_operator.context import routing, storage_check
from recommender_operator.context.extension import Extension
from recommender_operator.decide import decide
from recommender_operator.extensions.registry import EXTENSIONS
from recommender_operator.observed import JobKind, Observed, VersionObject
from tests.unit.recommender_operator.simulation.acting import execute
from tests.unit.recommender_operator.simulation.cluster import Cluster, changed, in_mode
from tests.unit.recommender_operator.simulation.observing import observe
from tests.unit.recommender_operator.simulation.reports import report


def _key(version: VersionObject) -> int:
    training = version.spec.training
    return training.seed if training.algorithm is Algorithm.DEEP_RANKER else -training.seed


@dataclasses.dataclass
class World(Cluster):
    """The cluster, its users, and an operator that reconciles it."""

    extensions: Sequence[Extension] = EXTENSIONS
    events: list[a.Event] = dataclasses.field(default_factory=list)
    finished: bool = False
    #: Jumps of the wall clock, by the number of the look that follows them.
    jumps: Mapping[int, datetime.timedelta] = dataclasses.field(default_factory=dict)
    looks: int = 0
    #: The operator crashes after every write that changes something, also of the status.
    mortal: bool = False

    # --- actions of a user

    def edit(self, **sections: object) -> None:
        was = self.spec.paused
        given = in_mode(self.spec.retrain.mode, changed(self.spec.dump(), sections))
        self.spec = RecommenderModelSpec.model_validate(given)
        if self.spec.paused != was:
            requested = {name: v.status.weight for name, v in self.versions.items()}
            self.frozen = requested if self.spec.paused else None
        self.generation += 1

    def seed(self, seed: int) -> None:
        self.edit(training={"seed": seed})

    # --- events of the cluster

    def tick(self, seconds: float = 5) -> None:
        """Let time pass and serve requests according to the route."""
        self.now += datetime.timedelta(seconds=seconds)
        for version, weight in routing.arms(self.route, self.routing).items():
            service = self.services.get(version)
            if service is not None and service.ready:
                served = int(self.requests_per_second * seconds * weight / 100)
                seen = dict(self.mix) | dict(self.broken_mix.get(self.seed_of(version), {}))
                service.serve(served, seen)
                service.failed += int(served * self.error_share.get(self.seed_of(version), 0))
        if self.routing.shadow and self.route and self.copies_sent:
            self._copy(seconds)

    def _copy(self, seconds: float) -> None:
        """Send the candidate that the route names its copies."""
        version, _, share = self.routing.shadow.rpartition(":")
        service = self.services.get(version)
        if service is not None and service.ready:
            copied = int(self.requests_per_second * seconds * int(share) / 10_000)
            service.copied += copied
            service.copies_failed += int(copied * self.error_share.get(self.seed_of(version), 0))

    def watch(self, seconds: float, every: float = 5) -> None:
        """Let this time pass with regular looks; the caller makes the last look."""
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
                    finished_at=self.now,
                    report=report(self, job) | self.odd_reports.get(job.kind, {}),
                )

    def fail_job(self, kind: JobKind, reason: str = "OOMKilled", message: str = "the end") -> None:
        for key, job in list(self.jobs.items()):
            if job.kind is kind and job.phase == "Running":
                self.jobs[key] = dataclasses.replace(
                    job, phase="Failed", reason=reason, message=message, finished_at=self.now
                )

    # --- the operator

    def observe(self) -> Observed:
        return observe(self)

    def checked(self) -> storage_check.Storage:
        """Return what is wrong with the claims."""
        return storage_check.check_storage(self.observe())

    def reconcile(self, crash_after: int | None = None) -> a.Decision:
        """Look once. With `crash_after`, the operator crashes after this number of actions."""
        self.looks += 1
        self.now += self.jumps.get(self.looks, datetime.timedelta())
        decision = decide(self.observe(), self.now, self.extensions)
        for place, action in enumerate(decision.actions):
            if crash_after is not None and place >= crash_after:
                return decision
            before = self._written()
            execute(self, action)
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
        """Return the state that actions write."""
        state = (self.versions, self.jobs, self.services, self.route, self.baselines)
        return tuple(dict(part) for part in state)

    def settle(self, looks: int = 200, crashes: tuple[int, ...] = ()) -> None:
        """Let time pass without faults until nothing is left to do."""
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
        """Let time pass without faults while requests are served."""
        for _ in range(looks):
            self.reconcile()
            self.finish_jobs()
            self.tick()

    # --- the state that tests compare

    def check(self) -> None:
        # A champion whose record is created again has no status yet.
        moving = [name for name in self.unfinished() if name != self.status.champion]
        assert len(moving) <= 1, f"two candidates: {moving}"

    def stages(self) -> dict[int, str]:
        """Stage by seed; that of the baseline by the negative seed."""
        return {_key(v): v.status.stage.value for v in self.versions.values()}

    @property
    def second_stage(self) -> str:
        """The stage of the version with seed 2, which most tests roll out after the first one."""
        return self.stages()[2]

    def condition(self, kind: str) -> tuple[str, str]:
        found = next(c for c in self.status.conditions if c.type == kind)
        return found.status, found.reason

    @property
    def weight(self) -> int:
        """The candidate's weight; 0 without a candidate."""
        candidate = self.unfinished()
        return self.versions[candidate[0]].status.weight if candidate else 0

    @property
    def steps(self) -> tuple[StepRecord, ...]:
        """The candidate's steps."""
        candidate = self.unfinished()
        return self.versions[candidate[0]].status.steps if candidate else ()

    def weights_of(self, seed: int) -> list[int]:
        """The weights of a version's steps."""
        versions = [v for n, v in self.versions.items() if self.seed_of(n) == seed]
        return [step.weight for version in versions for step in version.status.steps]

    def message(self, kind: str) -> str:
        return next(c for c in self.status.conditions if c.type == kind).message

    def summary(self) -> dict[str, object]:
        """The state at the end, without times and numbers."""
        return {
            "stages": self.stages(),
            "decisions": {
                v.spec.training.seed: v.status.decision.reason if v.status.decision else None
                for v in self.versions.values()
            },
            "services": sorted(self.seed_of(name) for name in self.services),
            "route": {self.seed_of(name): weight for name, weight in self.route.items()},
            "conditions": {c.type: (c.status, c.reason) for c in self.status.conditions},
            "stage": self.status.stage,
            "locked": self.status.locked,
            "rollbacks": self.status.consecutive_rollbacks,
            "handled": {(h.action, h.token) for h in self.status.handled},
        }
