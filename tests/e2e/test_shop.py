"""A shop with its own columns: declared features, text ids, rare clicks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recommender_examples import shop as samples
from tests.cluster.settings import cache_folder
from tests.e2e.conftest import REQUESTS_A_SECOND, NewWorld
from tests.scenario import install, shop, stories
from tests.scenario.world import World

pytestmark = pytest.mark.e2e

#: Keyed by the format of its requests.
DATA = cache_folder() / "shop-data-2"
SPEC: dict[str, Any] = {
    "data": {
        "source": {"format": "Parquet", "mapping": json.loads(samples.mapping())},
        "window": None,
    },
    "evaluation": {
        "gates": [{"metric": "auc", "min": 0.52}, {"metric": "normalisedEntropy", "max": 1.05}]
    },
    "retrain": {"mode": "Manual"},
}
BROKEN, DRIFTED = "loyalty_tier", shop.DRIFTED.feature


def open_shop(new_world: NewWorld) -> World:
    """A shop whose first version serves under load."""
    shop.write(DATA)
    world = new_world(SPEC, name="shop")
    install.copy_into(world.cluster, world.kube.namespace, DATA / "raw")
    world.traffic = DATA / "traffic.jsonl"
    stories.first_version(world)
    world.start_load(REQUESTS_A_SECOND)
    return world


def test_given_a_shop_when_one_of_its_features_breaks_and_another_drifts_then_each_is_named(
    new_world: NewWorld,
) -> None:
    world = open_shop(new_world)
    stable = world.champion
    answer = world.answer()
    assert answer["source"] == "model", answer
    assert all(isinstance(item, str) for item in answer["items"]), answer

    fault = {"fault": "BrokenFeatures", "feature": BROKEN}
    candidate = world.new_version_after(
        lambda: world.apply({"training": {"seed": 41}}, fault=fault)
    )
    assert world.until_decided(candidate) == "RolledBack", world.describe()
    message = world.decision(candidate)["message"]
    assert BROKEN in message, message
    assert "region" not in message, "it is intact"
    world.until_settled()
    assert world.champion == stable
    assert world.condition("Drifted").get("status") != "True", "the champion's users are the same"

    assert world.load is not None
    world.load.replay(DATA / "traffic-drifted.jsonl")
    world.until("Drifted", lambda: world.condition("Drifted").get("status") == "True", 300)
    assert set(world.status["drift"]["features"]) == {DRIFTED}, world.status["drift"]
    assert set(world.kube.versions(world.name)) == {stable, candidate}, "no retraining was wanted"
    assert world.load.stop()["failed"] == 0, world.load.total
