"""Executes the actions of the operator on the simulated cluster, and checks each of them.

An action that breaks a promise of the operator fails the test.
"""

from __future__ import annotations

import dataclasses
import re

from recommender_operator import actions as a
from recommender_operator.api.version import TERMINAL, ModelVersionStatus, Smoke
from recommender_operator.context import host_check
from recommender_operator.observed import PLAIN, Baseline, JobKind, JobState, VersionObject
from recommender_operator.resources import assignment_header, baseline_deployment_names, names
from recommender_operator.resources.assignment_header import Assignment
from tests.unit.recommender_operator.simulation.cluster import Cluster, JobKey, Service
from tests.unit.recommender_operator.simulation.observing import observe

#: The minimum of the default gate.
LEAST_AUC = 0.6


def execute(cluster: Cluster, action: a.Action) -> None:
    cluster.log.append(action)
    match action:
        case a.CreateVersion():
            if action.name not in cluster.versions:
                # Jobs of an earlier version of the name are none of its own.
                cluster.deleted_jobs = {
                    key for key in cluster.deleted_jobs if key[1] != action.name
                }
                cluster.versions[action.name] = VersionObject(
                    name=action.name,
                    uid=f"{action.name}-{len(cluster.log)}",
                    spec=action.spec,
                    status=ModelVersionStatus(),
                )
        case a.UpdateVersion():
            assert action.name in cluster.versions, "wrote the status of what does not exist"
            _write(cluster, action.name, ModelVersionStatus.model_validate(action.status.dump()))
        case a.HoldVersion():
            version = cluster.versions[action.name]
            assert not (action.held and version.deleting), "the API server refuses it"
            cluster.versions[action.name] = dataclasses.replace(version, held=action.held)
            if version.deleting:
                _delete_version(cluster, action.name)
        case a.DeleteVersion():
            _delete_version(cluster, action.name)
        case a.StartJob():
            _start(cluster, action)
        case a.DeleteGroup():
            _delete_group(cluster, action)
        case a.DeleteJob():
            _delete_job(cluster, (action.kind, action.version, action.attempt))
        case a.EnsureService():
            _ensure(cluster, action.version)
        case a.DeleteService():
            _delete_service(cluster, action.version)
        case a.RunSmoke():
            _smoke(cluster, action.version)
        case a.SetTraffic():
            _set_traffic(cluster, action)
        case a.RemoveTraffic():
            unhosted = host_check.resolve_host(observe(cluster)).host is None
            assert cluster.champion() is None or unhosted, "took the route away from a champion"
            cluster.route, cluster.route_host, cluster.route_since = {}, "", None
            cluster.routing = PLAIN
        case a.SaveBaseline():
            _check_window(cluster, action)
            cluster.baselines[action.key] = Baseline(
                key=action.key, taken_at=action.taken_at, samples=action.samples
            )
        case a.DropBaseline():
            cluster.baselines.pop(action.key, None)


def _write(cluster: Cluster, name: str, status: ModelVersionStatus) -> None:
    cluster.versions[name] = dataclasses.replace(cluster.versions[name], status=status)


def _start(cluster: Cluster, action: a.StartJob) -> None:
    assert not cluster.spec.paused or cluster.deleting, "started a Job while paused"
    key = (action.kind, action.version, action.attempt)
    assert key not in cluster.deleted_jobs, f"started {key} again, which has ended"
    workers, incarnation = 1, ""
    if action.kind is JobKind.REMOVE:
        own = cluster.versions.get(action.version)
        incarnation = names.incarnation(own.uid if own is not None else "u")
        key = (action.kind, f"{action.version}-{incarnation}", action.attempt)
    if action.kind is JobKind.TRAIN:
        workers = cluster.versions[action.version].spec.training.workers
        assert workers == 1 or not cluster.platform.missing_for_workers, "nothing runs TrainJobs"
    if action.kind is JobKind.SNAPSHOT:
        _check_writers(cluster, action)
    if key not in cluster.jobs:
        cluster.jobs[key] = JobState(
            kind=action.kind,
            version=action.version,
            attempt=action.attempt,
            phase="Running",
            group=workers > 1,
            incarnation=incarnation,
        )


def _check_writers(cluster: Cluster, action: a.StartJob) -> None:
    assert action.version == "movies", "a snapshot is of a model"
    writers = [
        job
        for job in cluster.jobs.values()
        if job.phase == "Running" and job.kind is JobKind.SNAPSHOT
    ]
    assert not writers, "two snapshots at a time"


def _delete_group(cluster: Cluster, action: a.DeleteGroup) -> None:
    key = (JobKind.TRAIN, action.version, action.attempt)
    job = cluster.jobs.get(key)
    if job is None or job.phase != "Running":
        _delete_job(cluster, key)
        return
    version = cluster.versions[action.version]
    if version.status.attempt == job.attempt:
        assert version.status.stage in TERMINAL, "cancelled a training that is waited for"
    del cluster.jobs[key]


def _delete_job(cluster: Cluster, key: JobKey) -> None:
    job = cluster.jobs.pop(key, None)
    if job is not None and not cluster.deleting:
        assert job.phase != "Running", "deleted a running Job of a living model"
        cluster.deleted_jobs.add(key)


def _ensure(cluster: Cluster, version: str) -> None:
    served = cluster.versions[baseline_deployment_names.version_of(version)]
    assert served.status.artifact is not None, "served what is not published"
    if version not in cluster.services:
        cluster.services[version] = Service(uid=f"service-{len(cluster.log)}")
    cluster.services[version].outdated = False


def _delete_service(cluster: Cluster, version: str) -> None:
    if not cluster.deleting:
        assert cluster.route.get(version, 0) == 0, f"deleted {version}, which has requests"
        assert version != cluster.champion(), "deleted the stable version's service"
        needed = {cluster.routing.fresh, *assignment_header.served(cluster.routing.experiment)}
        assert version not in needed, f"deleted {version}, which has requests"
    cluster.services.pop(version, None)


def _delete_version(cluster: Cluster, name: str) -> None:
    if not cluster.deleting:
        known = cluster.versions[name].status.stage
        assert known in TERMINAL, "deleted a version on its way"
        assert name != cluster.champion(), "deleted the champion"
    cluster.versions.pop(name, None)
    cluster.services.pop(name, None)
    # Jobs of kind REMOVE belong to the model and outlive the version.
    cluster.jobs = {
        key: job
        for key, job in cluster.jobs.items()
        if job.version != name or job.kind is JobKind.REMOVE
    }


def _smoke(cluster: Cluster, version: str) -> None:
    passed = cluster.seed_of(version) not in cluster.smoke_fails
    uid = cluster.services[version].uid if version in cluster.services else ""
    smoke = Smoke(passed=passed, message="seen", at=cluster.now, service=uid)
    status = cluster.versions[version].status.model_copy(update={"smoke": smoke})
    _write(cluster, version, status)


def _set_traffic(cluster: Cluster, action: a.SetTraffic) -> None:
    weights = action.weights
    assert sum(weights.values()) == 100, f"weights sum to {sum(weights.values())}"
    for version, weight in weights.items():
        assert 0 < weight <= 100, f"{version} was given {weight}"
        more = weight > cluster.route.get(version, 0)
        if more and version != cluster.champion():
            _check_fit(cluster, version)
            _check_pause(cluster, version, weight)
    _check_users(cluster, action)
    _check_copies(cluster, action)
    _check_mixed(cluster, action)
    _check_fresh(cluster, action)
    cluster.route, cluster.route_host, cluster.route_outdated = dict(weights), action.host, False
    cluster.routing = action.routing
    cluster.route_since = cluster.route_since or cluster.now


def _check_copies(cluster: Cluster, action: a.SetTraffic) -> None:
    """Only a candidate that is fit for users, and that no user reaches, gets copies."""
    if action.routing.shadow:
        version = action.routing.shadow.rpartition(":")[0]
        assert version in cluster.unfinished(), f"{version} is no candidate"
        assert version not in action.weights, f"{version} gets requests of users too"
        _check_fit(cluster, version)
        service = cluster.services.get(version)
        assert service is not None, f"{version} gets copies without a service"
        assert not service.outdated, f"{version} would count copies as requests of users"
        begun = bool(cluster.versions[version].status.steps)
        assert begun or not cluster.spec.paused, f"{version} gets copies before a paused phase"


def _check_mixed(cluster: Cluster, action: a.SetTraffic) -> None:
    """Only lists of a candidate that is fit, and has no users of its own, are mixed."""
    if action.routing.interleaving:
        (version,) = re.findall(r"candidate=([a-z0-9-]+);", action.routing.interleaving)
        assert version in cluster.unfinished(), f"{version} is no candidate"
        assert not action.routing.shadow
        assert not action.routing.experiment
        if action.routing.interleaving.endswith(";alone=1"):
            record = cluster.versions[version].status.interleaving
            assert record is not None, "lists of nobody without a phase"
            assert record.runs, "lists of nobody before the phase"
            assert version not in action.weights, f"{version} has users beside mixed lists"
            return
        assert action.weights == {cluster.champion(): 100}, f"{action.weights} beside mixed lists"
        _check_fit(cluster, version)
        service = cluster.services.get(version)
        assert service is not None, f"lists of {version} without a service"
        assert not service.outdated, f"{version} would count its lists as answers to users"


def _check_fresh(cluster: Cluster, action: a.SetTraffic) -> None:
    """Only pods that answer get a part of what is the champion's, beside a candidate."""
    name, part = action.routing.fresh, action.routing.fresh_weight
    if not name:
        assert part == 0
        return
    champion = baseline_deployment_names.version_of(name)
    assert champion == cluster.champion(), f"{name} is no deployment of the champion"
    assert cluster.unfinished(), f"{name} has requests without a candidate"
    left = 100 if action.routing.experiment else action.weights.get(champion, 0)
    assert 0 < part <= max(1, left // 2), f"{name} has {part} of {left} %"
    service = cluster.services.get(name)
    assert service is not None, f"{name} has requests without a service"
    assert service.pods > 0, f"{name} has requests without a pod"


def _check_window(cluster: Cluster, action: a.SaveBaseline) -> None:
    """A step compares with a fresh champion only from when it has requests."""
    for name in filter(baseline_deployment_names.is_fresh, action.samples):
        if action.key.startswith("step/"):
            candidate = cluster.versions[action.key.split("/")[1]]
            routed = name == cluster.routing.fresh
            assert routed or candidate.status.steps[-1].weight == 100, f"{name} has no requests"


def _check_users(cluster: Cluster, action: a.SetTraffic) -> None:
    """In an experiment, users only move from the champion to the candidate, never back."""
    users = assignment_header.parse(action.routing.experiment)
    before = cluster.assigned
    if users is None:
        assert not action.routing.experiment, "a header that no transformer understands"
        return
    assert action.weights[users.candidate] == users.percent, "the header is not the split"
    if before is not None and before.id == users.id:
        assert users.percent >= before.percent, "users went back to the champion"
        assert (
            users.phase == before.phase
            or users.percent != before.percent
            or (cluster.stable_arm not in action.weights)
        ), "another phase of the same users"
        _check_places(before, users)
    (cluster.stable_arm,) = set(action.weights) - {users.candidate}
    for each in users.further:
        assert each.version != cluster.stable_arm, "the receiver is no further version"
        if not each.withdrawn:
            _check_fit(cluster, each.version)
            assert each.version in cluster.services, f"{each.version} has users and no service"
    cluster.assigned = users


def _check_places(before: Assignment, users: Assignment) -> None:
    """No user moves between two versions, and one that was withdrawn gets nobody back."""
    places = {each.version: each for each in before.further}
    for each in users.further:
        known = places.get(each.version, each)
        assert each.first == known.first, f"{each.version} got other users"
        assert each.withdrawn or not known.withdrawn, f"{each.version} got its users back"
    if users.phase == before.phase:
        assert users.percent == before.percent, "one phase has two shares"
        assert {e.version for e in users.further} == set(places), "a phase lost a version"


def _check_fit(cluster: Cluster, version: str) -> None:
    status = cluster.versions[version].status
    assert status.gates, f"{version} has requests before its gates"
    assert all(gate.passed for gate in status.gates), f"{version} failed a gate"
    auc = status.metrics.get("auc")
    assert auc is not None, f"{version} has requests without a metric"
    assert auc >= LEAST_AUC, f"{version} has requests with an auc of {auc}"
    assert status.smoke is not None, f"{version} has requests before its smoke inference"
    assert status.smoke.passed, f"{version} failed its smoke inference"


def _check_pause(cluster: Cluster, version: str, weight: int) -> None:
    """While paused, a version never gains weight, unless it is the target of a rollback."""
    goal = cluster.spec.rollback_to or cluster.annotations.get("rollback-to", "").split("#")[0]
    if cluster.frozen is None or version in (goal, cluster.status.previous):
        return
    assert weight <= cluster.frozen.get(version, 0), "moved forward while paused"
