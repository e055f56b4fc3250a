"""A training with several workers, with the real controllers of Kubeflow Trainer and JobSet."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import NewWorld
from tests.scenario import faults
from tests.scenario.world import World

pytestmark = pytest.mark.e2e

#: Long enough that a worker can be killed between two checkpoints.
TRAINING = {
    "workers": 2,
    "hyperparameters": {"epochs": 8, "patience": 8, "batchSize": 256},
    "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "2Gi"}},
}


@pytest.fixture
def trained_by_two(new_world: NewWorld) -> World:
    return new_world({"training": TRAINING})


def restarts(world: World) -> str:
    return world.cluster.kubectl(
        "-n", world.kube.namespace, "get", "jobsets", "-o", "jsonpath={.items[*].status.restarts}"
    )


def has_checkpoint(world: World) -> bool:
    return any("/.checkpoints/" in path for path in world.stored())


def test_given_two_workers_when_one_is_killed_during_training_then_the_version_receives_traffic(
    trained_by_two: World,
) -> None:
    world = trained_by_two
    version = world.new_version_after(world.apply)
    world.until("both workers", lambda: len(faults.workers(world, version)) == 2, 300)
    world.until("a checkpoint", lambda: has_checkpoint(world), 300)
    before = set(faults.workers(world, version).values())
    faults.kill_worker(world, version, rank=1)

    def again() -> bool:
        now = set(faults.workers(world, version).values())
        return len(now) == 2 and not before & now

    world.until("a new group", again, 120)
    assert world.until_decided(version) == "Promoted", world.describe()
    assert restarts(world) == "1"
    reported = faults.log_of_worker(world, version, rank=0)
    assert "resuming from epoch" in reported, reported
    world.until_settled()
    assert world.champion == version
    world.until_routed()
    assert world.answer()["version"] == version
    assert not has_checkpoint(world), world.stored()


def test_given_two_workers_when_the_spec_changes_then_their_pods_are_deleted(
    trained_by_two: World,
) -> None:
    world = trained_by_two
    version = world.new_version_after(world.apply)
    world.until("both workers", lambda: len(faults.workers(world, version)) == 2, 300)
    other = world.new_version_after(lambda: world.apply({"training": {"seed": 61, "workers": 1}}))
    world.until("no worker", lambda: not faults.workers(world, version), 180)

    def trains() -> bool:
        return bool(world.version(other).get("status", {}).get("stage") == "Training")

    world.until("the training of the new spec", trains, 300)
