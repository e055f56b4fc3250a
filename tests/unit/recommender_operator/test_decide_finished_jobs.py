"""Finished Jobs are deleted once their result is stored, and none is ever started again for that.

The world fails every test that starts a deleted Job again.
"""

from __future__ import annotations

import collections
import datetime

import pytest

from recommender_operator import actions as a
from recommender_operator.observed import JobKind
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.snapshot_worlds import (
    HOUR,
    SOURCE,
    number,
    snapshot_jobs,
    watched,
)
from tests.unit.recommender_operator.world import World

DAY = datetime.timedelta(days=1)
PIPELINE = [JobKind.CHECK, JobKind.TRAIN, JobKind.PUBLISH]


def started(world: World) -> dict[JobKind, int]:
    """The number of started Jobs by kind."""
    return collections.Counter(e.kind for e in world.log if isinstance(e, a.StartJob))


def kinds(world: World) -> list[JobKind]:
    return sorted(job.kind for job in world.jobs.values())


def until(world: World, kind: JobKind) -> None:
    """Continue until a Job of the kind runs."""
    for _ in range(20):
        world.reconcile()
        if any(job.kind is kind and job.phase == "Running" for job in world.jobs.values()):
            return
        world.finish_jobs()
        world.tick()
    raise AssertionError(world.summary())


def with_workers(workers: int) -> World:
    return World(spec=spec(training={"workers": workers}))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_jobs_of_a_version_are_deleted_an_hour_after_they_succeeded(workers: int) -> None:
    world = with_workers(workers)
    world.settle()
    assert kinds(world) == sorted(PIPELINE)
    ends = max(job.finished_at for job in world.jobs.values() if job.finished_at is not None)
    world.now = ends + HOUR - datetime.timedelta(seconds=1)
    world.reconcile()
    assert JobKind.PUBLISH in kinds(world)
    decision = world.reconcile()
    assert decision.requeue_after == datetime.timedelta(seconds=1)
    world.now = ends + HOUR
    world.settle()
    assert kinds(world) == []
    groups = [each for each in world.log if isinstance(each, a.DeleteGroup)]
    assert len(groups) == (1 if workers > 1 else 0)
    assert started(world) == dict.fromkeys(PIPELINE, 1)
    assert world.stages() == {17: "Promoted"}


@pytest.mark.parametrize("kind", PIPELINE)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_result_that_waited_for_the_operator_for_days_is_not_lost(
    kind: JobKind, workers: int
) -> None:
    world = with_workers(workers)
    until(world, kind)
    world.finish_jobs()
    world.now += 3 * DAY
    before = len(world.log)
    world.reconcile()
    first = world.log[before:]
    assert not [e for e in first if isinstance(e, (a.DeleteJob, a.DeleteGroup)) and of(e) is kind]
    world.settle()
    assert world.stages() == {17: "Promoted"}
    assert started(world) == dict.fromkeys(PIPELINE, 1)
    assert kind not in kinds(world)


def of(action: a.DeleteJob | a.DeleteGroup) -> JobKind:
    return action.kind if isinstance(action, a.DeleteJob) else JobKind.TRAIN


@pytest.mark.parametrize("kind", PIPELINE)
def test_a_crash_after_every_write_deletes_no_result_that_is_not_stored(kind: JobKind) -> None:
    world = World(mortal=True)
    until(world, kind)
    world.finish_jobs()
    world.now += 3 * DAY
    world.settle()
    assert world.stages() == {17: "Promoted"}
    assert started(world) == dict.fromkeys(PIPELINE, 1)


@pytest.mark.parametrize("kind", PIPELINE)
def test_a_paused_model_keeps_the_job_whose_result_it_has_not_read(kind: JobKind) -> None:
    world = World()
    until(world, kind)
    world.edit(paused=True)
    world.finish_jobs()
    world.now += 3 * DAY
    world.settle()
    assert kinds(world) == [kind]
    world.edit(paused=False)
    world.settle()
    assert started(world) == dict.fromkeys(PIPELINE, 1)


@pytest.mark.parametrize("kind", PIPELINE)
def test_jobs_of_a_failed_version_are_kept_for_a_day_after_the_decision(kind: JobKind) -> None:
    world = World()
    until(world, kind)
    world.fail_job(kind)
    world.now += 3 * DAY
    world.reconcile()
    (version,) = world.versions.values()
    assert version.status.decision is not None
    decided = version.status.decision.at
    world.now = decided + DAY - datetime.timedelta(seconds=1)
    world.reconcile()
    attempts = {job.attempt for job in world.jobs.values() if job.kind is kind}
    assert 0 in attempts
    world.now = decided + DAY
    world.reconcile()
    if kind is not JobKind.CHECK:  # A failed check is repeated, which ends the version later.
        assert kinds(world) == []
    assert "the end" in str(version.status.failure)


def test_a_failed_check_is_kept_for_a_day_while_it_is_repeated() -> None:
    world = World()
    until(world, JobKind.CHECK)
    world.fail_job(JobKind.CHECK)
    failed_at = world.now
    world.watch(400, every=20)
    world.settle()
    assert world.stages() == {17: "Promoted"}
    world.now += 2 * HOUR
    world.reconcile()
    world.now = failed_at + DAY - datetime.timedelta(seconds=1)
    world.reconcile()
    assert [(job.kind, job.attempt) for job in world.jobs.values()] == [(JobKind.CHECK, 0)]
    world.now = failed_at + DAY
    world.reconcile()
    assert kinds(world) == []


@pytest.mark.parametrize("kind", PIPELINE)
def test_a_version_that_the_spec_describes_again_uses_its_jobs_again(kind: JobKind) -> None:
    world = World()
    until(world, kind)
    world.seed(2)
    world.settle()
    world.now += 3 * DAY
    world.settle()
    assert sorted({job.version for job in world.jobs.values()}) == [
        name for name in world.versions if world.seed_of(name) == 17
    ]
    world.seed(17)
    world.settle()
    assert world.champion() is not None
    assert started(world) == dict.fromkeys(PIPELINE, 2)
    world.now += 3 * DAY
    world.settle()
    assert kinds(world) == []


def test_a_snapshot_is_deleted_an_hour_after_it_succeeded() -> None:
    world = watched("Daily")
    world.settle()
    (job,) = snapshot_jobs(world)
    assert job.finished_at is not None
    world.now = job.finished_at + HOUR - datetime.timedelta(seconds=1)
    world.reconcile()
    assert len(snapshot_jobs(world)) == 1
    world.now = job.finished_at + HOUR
    world.settle()
    assert snapshot_jobs(world) == []
    assert started(world)[JobKind.SNAPSHOT] == 1


def test_a_snapshot_that_waited_for_the_operator_for_days_is_not_lost() -> None:
    world = watched()
    until(world, JobKind.SNAPSHOT)
    world.finish_jobs()
    first = world.now.replace(minute=0, second=0, microsecond=0)
    world.now += 3 * DAY
    world.reconcile()
    taken = world.status.snapshots
    assert taken is not None
    assert taken.period == first
    assert taken.data_version is not None
    assert taken.data_version.startswith(f"i{number(first)}.")
    world.settle()
    assert [job.attempt for job in snapshot_jobs(world)] == [number(world.now) // 60 * 60]


def test_a_failed_snapshot_is_kept_for_a_day() -> None:
    world = watched("Daily")
    until(world, JobKind.SNAPSHOT)
    world.fail_job(JobKind.SNAPSHOT)
    failed_at = world.now
    world.settle()
    world.now = failed_at + 11 * HOUR
    world.settle()
    assert [job.phase for job in snapshot_jobs(world)] == ["Failed"]
    world.now = failed_at + DAY
    world.settle()
    assert "Failed" not in [job.phase for job in snapshot_jobs(world)]


def test_snapshots_of_a_model_that_takes_none_any_more_are_deleted() -> None:
    world = watched()
    until(world, JobKind.SNAPSHOT)
    world.edit(data=SOURCE)
    world.finish_jobs()
    world.settle()
    assert len(snapshot_jobs(world)) == 1
    world.now += HOUR
    world.settle()
    assert snapshot_jobs(world) == []
