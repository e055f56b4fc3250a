"""The annotation retrain: a retraining that a person asks for."""

from __future__ import annotations

import pytest

from recommender_operator.analysis.step_verdict import Verdict
from tests.unit.recommender_operator.drift_worlds import look, serving
from tests.unit.recommender_operator.request_results import results
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.started_worlds import in_canary, promoted_first
from tests.unit.recommender_operator.world import World


def test_a_retraining_on_request_is_a_version_of_the_same_spec() -> None:
    world = promoted_first()
    first = world.champion() or ""
    world.annotations["retrain"] = "1"
    world.settle()
    second = world.champion() or ""
    assert "starts" in results(world)["retrain 1"]
    assert len({first, second}) == len(world.versions) == 2, "a token starts one retraining"
    assert world.versions[second].spec.training == world.versions[first].spec.training
    world.annotations["retrain"] = "2"
    world.settle()
    assert world.champion() not in (first, second)


@pytest.mark.parametrize("paused", [True, False])
def test_a_retraining_that_may_not_start_is_refused_with_the_reason(paused: bool) -> None:
    world = promoted_first()
    pin = {"paused": True} if paused else {"rollback_to": world.champion()}
    world.edit(**pin)
    world.annotations["retrain"] = "1"
    world.reconcile()
    assert "no retraining while paused or pinned" in results(world)["retrain 1"]


def test_a_retraining_waits_for_a_champion_and_for_the_end_of_a_candidate() -> None:
    fresh = World(spec=spec())
    fresh.annotations["retrain"] = "1"
    fresh.reconcile()
    assert "no champion yet" in results(fresh)["retrain 1"]
    world = in_canary()
    world.annotations["retrain"] = "1"
    world.reconcile()
    assert "in progress; abort it first" in results(world)["retrain 1"]
    assert len(world.versions) == 2


def test_drift_in_the_look_of_a_request_does_not_replace_its_retraining() -> None:
    world, oracle = serving()
    oracle.window = Verdict.FAIL
    look(world, oracle, 2)
    assert world.status.retrain is None
    world.annotations["retrain"] = "1"
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "Shifted")
    assert world.status.retrain is not None
    assert world.status.retrain.token.startswith("request-")
    assert "the requested retraining starts" in world.message("Drifted")
