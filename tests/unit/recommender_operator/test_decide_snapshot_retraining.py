"""Snapshots with new rows start retrainings, unless something is in the way."""

from __future__ import annotations

import pytest

from recommender_operator.analysis.step_verdict import Verdict
from recommender_operator.observed import JobKind
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.snapshot_worlds import HOUR, SOURCE, VERSION, started, watched
from tests.unit.recommender_operator.test_decide_properties import DRIFT, Oracle
from tests.unit.recommender_operator.world import World


def hours_pass(world: World, count: int) -> None:
    for _ in range(count):
        world.now += HOUR
        world.settle()


def test_enough_snapshots_with_new_rows_start_a_retraining() -> None:
    world = watched(retrain={"afterSnapshots": 3})
    world.settle()
    first = world.champion()
    hours_pass(world, 1)
    assert world.champion() == first
    hours_pass(world, 1)
    retrained = world.versions[world.stable()]
    assert retrained.name != first
    assert retrained.spec.trigger == "Retrain: 3 snapshots with new rows"
    assert world.status.retrain is not None
    assert world.status.retrain.token.startswith("snapshot-")
    assert world.status.snapshots is not None
    assert world.status.snapshots.since_retraining == 0


def test_snapshots_without_new_rows_start_no_retraining() -> None:
    world = watched(retrain={"afterSnapshots": 1})
    world.odd_reports[JobKind.SNAPSHOT] = {"newRows": 0}
    world.settle()
    first = world.champion()
    hours_pass(world, 3)
    assert world.champion() == first
    assert world.status.retrain is None


def test_a_retraining_for_snapshots_that_waits_for_other_models_says_so() -> None:
    world = watched(retrain={"afterSnapshots": 1})
    world.settle()
    token = world.status.retrain
    world.retrainings_full = "none while 2 other models train"
    hours_pass(world, 1)
    assert world.status.retrain == token
    assert world.status.snapshots is not None
    assert world.status.snapshots.waits == "none while 2 other models train"
    world.retrainings_full = ""
    hours_pass(world, 1)
    assert world.status.retrain != token
    assert world.status.snapshots.waits == ""


def test_a_retraining_for_snapshots_waits_until_the_current_one_has_ended() -> None:
    rollout = {"steps": [{"weight": 10}, {"weight": 100}]}
    world = watched(retrain={"afterSnapshots": 1}, rollout=rollout)
    world.settle()
    oracle = Oracle(step=Verdict.INCONCLUSIVE)
    with oracle.speaks():
        world.now += HOUR
        looks(world, 20)
        retrained, token = world.status.candidate, world.status.retrain
        assert retrained is not None
        world.now += HOUR
        looks(world, 6)
    assert (world.status.candidate, world.status.retrain) == (retrained, token)
    assert world.status.snapshots is not None
    assert world.status.snapshots.since_retraining == 1


def looks(world: World, count: int) -> None:
    for _ in range(count):
        world.reconcile()
        world.finish_jobs()
        world.tick()


def test_a_locked_model_continues_to_take_snapshots() -> None:
    world = watched(retrain={"afterSnapshots": 1, "lockAfterRollbacks": 1})
    world.odd_reports[JobKind.SNAPSHOT] = {"newRows": 0}
    world.settle()
    with Oracle(step=Verdict.FAIL).speaks():
        world.seed(2)
        world.settle()
    assert world.status.locked
    world.seed(3)
    world.odd_reports.clear()
    world.now += HOUR
    world.settle()
    assert len(started(world)) == 2
    assert world.status.retrain is None


@pytest.mark.parametrize("pin", [{"version": VERSION}, {"asOf": "2025-12-01T00:00:00Z"}])
def test_a_model_with_pinned_data_is_not_retrained(pin: dict[str, str]) -> None:
    oracle = Oracle(window=Verdict.INCONCLUSIVE, broken=Verdict.INCONCLUSIVE)
    data = {**SOURCE, **pin, "snapshots": {"every": "Hourly"}}
    world = World(spec=spec(data=data, retrain={"afterSnapshots": 1, "drift": DRIFT}))
    with oracle.speaks():
        world.settle()
        world.now += HOUR
        world.settle()
        oracle.window = Verdict.FAIL
        for _ in range(4):
            world.tick()
            world.reconcile()
    assert world.status.retrain is None
    assert "gives the same data" in world.message("Drifted")
