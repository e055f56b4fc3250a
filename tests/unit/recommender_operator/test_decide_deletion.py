"""History, artifacts and deletion of a model."""

from __future__ import annotations

import datetime

from recommender_operator import actions as a
from recommender_operator.api.conditions import ConditionType, find
from recommender_operator.observed import JobKind
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.started_worlds import rolled_out_second
from tests.unit.recommender_operator.world import World


def test_history_beyond_the_limit_is_deleted_with_its_artifacts() -> None:
    world = World(spec=spec(history={"limit": 1}))
    world.settle()
    for seed in (2, 3, 4, 5):
        world.seed(seed)
        world.settle()
    assert set(world.stages()) == {3, 4, 5}
    removed = [x for x in world.log if isinstance(x, a.StartJob) and x.kind is JobKind.REMOVE]
    assert len(removed) == 2
    assert all(x.inputs["paths"].startswith("artifacts/movies/") for x in removed)


def test_an_artifact_that_another_version_shares_stays() -> None:
    world = World(spec=spec(history={"limit": 1}), twins={17, 4})
    world.settle()
    for seed in (2, 3, 4):
        world.seed(seed)
        world.settle()
    assert 17 not in world.stages()
    artifact = world.versions[world.stable()].status.artifact
    assert artifact is not None
    removed = [x.inputs.get("paths", "") for x in world.log if isinstance(x, a.StartJob)]
    assert not [paths for paths in removed if artifact.path in paths.split(",")]


def test_deleting_with_retain_ends_at_once() -> None:
    world = rolled_out_second()
    world.deleting = True
    decision = world.reconcile()
    assert decision.finished
    assert decision.actions == ()


def test_deleting_with_delete_removes_artifacts_last() -> None:
    world = World(spec=spec(deletionPolicy="Delete"))
    world.settle()
    world.deleting = True
    world.reconcile()
    assert not world.finished
    assert not world.versions
    assert not world.services
    world.reconcile()
    job = next(x for x in world.log if isinstance(x, a.StartJob) and x.kind is JobKind.REMOVE)
    assert (job.version, job.inputs["paths"]) == (
        "movies",
        "artifacts/movies,staging/movies,lake/movies",
    )
    assert not world.reconcile().finished
    world.finish_jobs()
    assert world.reconcile().finished


def test_nothing_is_removed_while_pods_may_write_files_or_create_their_folders() -> None:
    world = World(spec=spec(deletionPolicy="Delete"))
    world.settle()
    world.deleting, world.deleting_since = True, world.now
    world.running_pods = ("movies-1-transformer-x", "movies-2-check-0-y")
    world.reconcile()
    assert not world.versions
    assert not world.reconcile().actions
    assert "waits for the end of movies-1-transformer-x, movies-2-" in _progress(world)
    world.running_pods = ()
    assert [type(x) for x in world.reconcile().actions] == [a.StartJob]


def test_deleting_waits_no_longer_for_pods_of_a_lost_node() -> None:
    world = World(spec=spec(deletionPolicy="Delete"))
    world.settle()
    world.deleting, world.deleting_since = True, world.now
    world.running_pods = ("movies-1-transformer-x",)
    world.reconcile()
    assert not world.reconcile().actions
    world.now += datetime.timedelta(minutes=5)
    assert [type(x) for x in world.reconcile().actions] == [a.StartJob]


def _progress(world: World) -> str:
    found = find(world.status.conditions, ConditionType.PROGRESSING)
    return found.message if found else ""


def test_deleting_ends_even_if_the_removal_keeps_failing() -> None:
    world = World(spec=spec(deletionPolicy="Delete"), deleting=True)
    for _ in range(10):
        if world.reconcile().finished:
            break
        world.fail_job(JobKind.REMOVE)
    assert world.finished
    assert [e.reason for e in world.events if e.type == "Warning"] == ["ArtifactsLeftBehind"]


def test_a_version_created_again_needs_its_own_removal() -> None:
    world = World(spec=spec(history={"limit": 1}))
    world.settle()
    for seed in (2, 3, 4, 17, 2, 3, 4):
        world.seed(seed)
        world.settle()
    removed = [
        x.version for x in world.log if isinstance(x, a.StartJob) and x.kind is JobKind.REMOVE
    ]
    deleted = [x.name for x in world.log if isinstance(x, a.DeleteVersion)]
    assert len(deleted) > len(set(deleted)), "no version was made again and removed again"
    assert sorted(removed) == sorted(deleted), "a version went and its files stayed"
