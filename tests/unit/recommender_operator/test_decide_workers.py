"""A training with several workers: requirements, end, and cancellation."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest

from recommender_operator import actions as a
from recommender_operator.api.conditions import find
from recommender_operator.api.version import VersionStage
from recommender_operator.decide import decide
from recommender_operator.observed import JobKind, Platform
from tests.unit.recommender_operator.simulation.cluster import BAD, spec
from tests.unit.recommender_operator.world import World

MISSING = ("trainjobs.trainer.kubeflow.org", "jobsets.jobset.x-k8s.io")


def world(training: dict[str, Any] | None = None, **fields: Any) -> World:
    return World(spec=spec(training={"workers": 2} | (training or {})), **fields)


def until_training(world: World) -> a.StartJob:
    """Continue until the training has started."""
    for _ in range(10):
        world.reconcile()
        started = [each for each in world.log if isinstance(each, a.StartJob)]
        if started and started[-1].kind is JobKind.TRAIN:
            return started[-1]
        world.finish_jobs()
        world.tick()
    raise AssertionError(world.summary())


def cancelled(world: World) -> list[tuple[str, int]]:
    return [(each.version, each.attempt) for each in world.log if isinstance(each, a.DeleteGroup)]


def test_workers_make_a_version_like_any_other() -> None:
    seen = world()
    seen.settle()
    assert seen.stages() == {17: "Promoted"}
    assert cancelled(seen) == []


def test_the_condition_reports_a_missing_trainer_and_training_starts_once_it_is_installed() -> (
    None
):
    seen = world(platform=Platform(missing_for_workers=MISSING))
    seen.settle()
    assert [each.kind for each in seen.log if isinstance(each, a.StartJob)] == [JobKind.CHECK]
    assert seen.condition("Trained") == ("False", "PlatformMissing")
    message = seen.message("Trained")
    assert all(name in message for name in MISSING)
    assert "training.workers is 2" in message
    assert "Install them, or set training.workers to 1" in message
    warned = [each for each in seen.events if each.reason == "PlatformMissing"]
    assert [each.type for each in warned] == ["Warning"], "said once, not at each look"
    waits = decide(seen.observe(), seen.now).requeue_after
    assert waits == datetime.timedelta(seconds=30)
    seen.platform = Platform()
    seen.settle()
    assert seen.stages() == {17: "Promoted"}
    assert seen.condition("Trained") == ("True", "Trained")


def test_one_worker_needs_no_trainer() -> None:
    seen = world({"workers": 1}, platform=Platform(missing_for_workers=MISSING))
    seen.settle()
    assert seen.stages() == {17: "Promoted"}


def test_without_trainer_the_champion_continues_to_serve() -> None:
    seen = world({"workers": 1})
    seen.settle()
    champion = seen.stable()
    seen.platform = Platform(missing_for_workers=MISSING)
    seen.edit(training={"workers": 2})
    seen.settle()
    assert (seen.stable(), seen.route) == (champion, {champion: 100})
    assert seen.condition("Available")[0] == "True"


def test_a_changed_spec_cancels_the_group_at_once_and_no_other() -> None:
    seen = world()
    old = until_training(seen)
    seen.edit(training={"workers": 2, "seed": 2})
    seen.reconcile()
    assert cancelled(seen) == [(old.version, old.attempt)]
    seen.settle()
    assert seen.stages() == {17: "Superseded", 2: "Promoted"}
    assert len(cancelled(seen)) == 1


def test_a_job_of_one_worker_may_finish_unused() -> None:
    seen = world({"workers": 1})
    until_training(seen)
    seen.edit(training={"seed": 2})
    seen.settle()
    assert cancelled(seen) == []


def test_an_aborted_training_is_cancelled() -> None:
    seen = world()
    old = until_training(seen)
    seen.annotations["abort"] = "1"
    seen.reconcile()
    assert cancelled(seen) == [(old.version, old.attempt)]


def test_a_paused_model_keeps_its_training() -> None:
    seen = world()
    until_training(seen)
    seen.edit(paused=True)
    seen.reconcile()
    assert cancelled(seen) == []


def test_a_group_is_not_cancelled_while_its_data_are_checked_again() -> None:
    seen = world()
    old = until_training(seen)
    version = seen.versions[old.version]
    status = version.status.model_copy(update={"stage": VersionStage.CHECKING_DATA})
    seen.versions[old.version] = dataclasses.replace(version, status=status)
    del seen.jobs[JobKind.CHECK, old.version, old.attempt]
    seen.reconcile()
    assert seen.stages() == {17: "CheckingData"}
    assert cancelled(seen) == []


@pytest.mark.parametrize(("after", "late"), [(99, False), (100, True)])
def test_a_group_has_the_deadline_for_all_its_restarts(after: int, late: bool) -> None:
    seen = world({"deadlineSeconds": 100})
    old = until_training(seen)
    key = (JobKind.TRAIN, old.version, old.attempt)
    job = dataclasses.replace(seen.jobs[key], message="2 of 2 pods are Unschedulable")
    seen.jobs[key] = job
    seen.tick(20)
    seen.watch(after - 20, every=20)
    seen.reconcile()
    assert (seen.stages() == {17: "Failed"}) is late
    assert bool(cancelled(seen)) is late
    if late:
        assert seen.condition("Trained") == ("False", "DeadlineExceeded")
        assert "training.deadlineSeconds (100), including restarts" in seen.message("Trained")
        assert "Unschedulable" in seen.message("Trained")


def test_a_group_is_checked_soon_after_its_first_worker_ends() -> None:
    seen = world()
    old = until_training(seen)
    key = (JobKind.TRAIN, old.version, old.attempt)
    assert decide(seen.observe(), seen.now).requeue_after == datetime.timedelta(seconds=20)
    seen.jobs[key] = dataclasses.replace(seen.jobs[key], report={"ok": True})
    assert decide(seen.observe(), seen.now).requeue_after == datetime.timedelta(seconds=2)


def test_a_failed_group_fails_the_version_and_is_not_cancelled() -> None:
    """Its pods have ended, and its TrainJob has the reason."""
    seen = world()
    until_training(seen)
    seen.fail_job(JobKind.TRAIN, "OOMKilled", "worker 1 used more memory")
    seen.settle()
    assert seen.condition("Trained") == ("False", "OOMKilled")
    assert cancelled(seen) == []


def test_the_baseline_in_place_of_a_failed_version_has_one_worker() -> None:
    seen = World(
        spec=spec(
            training={"workers": 2},
            evaluation={
                "gates": [{"metric": "auc", "min": 0.6}],
                "onFailure": "DeployBaseline",
            },
        ),
        metrics={17: BAD},
    )
    seen.settle()
    assert seen.stages() == {17: "Rejected", -17: "Promoted"}
    workers = {v.status.stage.value: v.spec.training.workers for v in seen.versions.values()}
    assert workers == {"Rejected": 2, "Promoted": 1}
    ready = find(seen.status.conditions, "Ready")
    assert ready is not None
    assert ready.reason == "BaselineServes"


@pytest.mark.parametrize("workers", [1, 2])
def test_files_of_a_training_are_removed_with_the_version(workers: int) -> None:
    seen = World(spec=spec(training={"workers": workers}, history={"limit": 1}))
    until_training(seen)
    seen.fail_job(JobKind.TRAIN)
    (failed,) = seen.versions
    for seed in (2, 3, 4):
        seen.settle()
        seen.edit(training={"workers": workers, "seed": seed})
    seen.settle()
    started = [each for each in seen.log if isinstance(each, a.StartJob)]
    removed = [e.inputs["paths"] for e in started if e.kind is JobKind.REMOVE]
    left = {f"staging/movies/.checkpoints/{failed}", f"staging/movies/.{failed}-0.partial"}
    assert failed not in seen.versions
    assert any(left <= set(paths.split(",")) for paths in removed)
