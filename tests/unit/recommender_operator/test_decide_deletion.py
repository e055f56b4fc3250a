"""History, artifacts and deletion of a model."""

from __future__ import annotations

from recommender_operator import actions as a
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
