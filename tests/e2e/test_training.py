"""Hyperparameter search and stand-ins, in Jobs of the cluster."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import NewWorld
from tests.scenario import stories

pytestmark = pytest.mark.e2e


def test_given_a_search_when_trained_then_the_chosen_settings_serve_and_the_version_reports_them(
    new_world: NewWorld,
) -> None:
    search = {
        "trials": 3,
        "parallelism": 2,
        "folds": 2,
        "seeds": 2,
        "space": {"learningRate": {"min": 0.001, "max": 0.01, "log": True}},
    }
    world = new_world({"training": {"search": search}})
    reported = stories.first_version(world)
    found = world.version(reported.version)["status"]["search"]
    assert (found["trials"], found["folds"], found["seeds"]) == (3, 2, 2), found
    # The first trial uses the settings of the spec, so that no worse ones are chosen.
    assert found["bestLogLoss"] <= found["givenLogLoss"], found
    assert 0.001 <= found["hyperparameters"]["learningRate"] <= 0.01, found
    assert world.answer()["version"] == reported.version


def test_given_a_gate_that_no_ranker_passes_when_allowed_then_the_baseline_serves_in_its_place(
    new_world: NewWorld,
) -> None:
    gates = [{"metric": "auc", "min": 0.65}, {"metric": "aucMinusBaseline", "min": 0.5}]
    world = new_world({"evaluation": {"gates": gates, "onFailure": "DeployBaseline"}})
    requested = world.new_version_after(world.apply)
    assert world.until_decided(requested) == "Rejected", world.describe()
    world.until("the baseline as champion", lambda: bool(world.champion), 300)
    stand_in = world.version(world.champion or "")
    assert stand_in["spec"]["training"]["algorithm"] == "LogisticRegression"
    assert requested in stand_in["spec"]["trigger"]
    world.until_settled()
    ready = world.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("True", "BaselineServes"), ready
    world.until_routed()
    answer = world.answer()
    assert (answer["version"], answer["source"]) == (world.champion, "model")
