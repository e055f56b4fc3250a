"""What the condition SettingsApplied says about settings that have no effect."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

from recommender_operator.api.conditions import MAX_MESSAGE
from recommender_operator.observed import Platform
from recommender_operator.status import unserved_features
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.world import World

HERE = Platform(collector=True, store=True, collector_namespace="shop")
KIND = "SettingsApplied"
DECLARED = pathlib.Path("training/recommender_training/ingestion/movielens100k/movielens100k.json")
ROOT = pathlib.Path(__file__).resolve().parents[4]
BY_USERS: dict[str, Any] = {
    "events": {"impressions": 1},
    "rollout": {
        "experiment": {"primary": [{"metric": "ClickThroughRate", "smallestEffect": 0.05}]}
    },
}


def looked(platform: Platform = HERE, **sections: Any) -> World:
    world = World(spec=spec(**sections), platform=platform)
    world.reconcile()
    return world


REPORTED = {"impressions": 0.5, "exploration": {"share": 0.1}, "trending": True, "hide": ["Seen"]}


@pytest.mark.parametrize(
    ("platform", "remedy"),
    [
        (Platform(), "set collector.enabled in the chart"),
        (
            Platform(collector=True, store=True, collector_namespace="recsys"),
            "the collector knows the models of namespace recsys only: create the model there",
        ),
    ],
)
def test_settings_without_a_collector_are_named_with_value_and_remedy(
    platform: Platform, remedy: str
) -> None:
    world = looked(platform, events=REPORTED)
    assert world.condition(KIND) == ("False", "NoCollector")
    message = world.message(KIND)
    for part in (
        "events.impressions 0.5",
        'events.exploration {"share": 0.1}',
        "events.trending true",
        'events.hide ["Seen"]',
        remedy,
    ):
        assert part in message
    assert "NoCollector" in {event.reason for event in world.events}


def test_an_experiment_and_a_holdout_without_a_collector_are_named_before_any_training() -> None:
    events = {"impressions": 1, "holdout": {"percent": 5}}
    rollout: dict[str, Any] = {"interleaving": {}, **BY_USERS["rollout"]}
    world = looked(Platform(), **(BY_USERS | {"events": events, "rollout": rollout}))
    for field in ("events.holdout", "rollout.experiment", "rollout.interleaving"):
        assert f"{field} {{" in world.message(KIND)


def test_the_same_settings_beside_a_collector_are_applied() -> None:
    world = looked(events=REPORTED)
    assert world.condition(KIND) == ("True", "Applied")
    assert world.message(KIND) == "every setting of the spec has an effect"


def test_a_default_that_needs_the_store_is_explained_and_refuses_nothing() -> None:
    world = looked(Platform())
    assert world.condition(KIND) == ("True", "Applied")
    assert "answers leave out only items of the session" in world.message(KIND)
    asked_for_nothing = looked(Platform(), events={"hide": []})
    assert asked_for_nothing.message(KIND) == "every setting of the spec has an effect"


def test_the_list_of_most_versions_is_named_like_any_other_where_it_is_given() -> None:
    world = looked(Platform(), events={"hide": ["Interacted", "Bought", "Disliked"]})
    assert world.condition(KIND) == ("False", "NoCollector")
    assert 'events.hide ["Interacted", "Bought", "Disliked"]' in world.message(KIND)


def test_one_warning_is_sent_until_the_reason_changes() -> None:
    world = looked(Platform(), events=REPORTED)
    for _ in range(3):
        world.reconcile()
    assert [event.reason for event in world.events].count("NoCollector") == 1


SHOP: dict[str, Any] = {
    "interactions": {
        "files": "e.csv", "user": "u", "item": "i", "timestamp": "t", "value": "v",
        "features": [{"name": "device", "kind": "Categorical"}],
    },
    "items": {
        "files": "i.csv", "id": "i", "features": [
            {"name": "brand", "kind": "Categorical"}, {"name": "price", "kind": "Numeric"},
        ],
    },
}  # fmt: skip
LIMITS = {"diversity": [{"feature": "brand", "maxPerCategory": 2}]}


def data(mapping: dict[str, Any]) -> dict[str, Any]:
    return {
        "source": {
            "persistentVolumeClaim": {"claimName": "raw"},
            "format": "CSV",
            "mapping": mapping,
        }
    }


def test_a_limit_whose_feature_the_champion_lacks_is_named_until_a_version_has_it() -> None:
    without = {**SHOP, "items": {**SHOP["items"], "features": SHOP["items"]["features"][1:]}}
    world = World(spec=spec(data=data(without)), platform=HERE)
    world.settle()
    old = world.champion()
    assert world.condition(KIND)[0] == "True"
    world.edit(data=data(SHOP), serving=LIMITS)
    world.reconcile()
    assert world.condition(KIND) == ("False", "FeatureNotServed")
    assert f"serving.diversity brand: no effect in {old}" in world.message(KIND)
    world.settle()
    assert world.champion() != old
    assert world.condition(KIND) == ("True", "Applied")


def test_features_of_the_sample_format_are_known_too() -> None:
    typo = [{"feature": "genres", "maxPerCategory": 2}]
    world = looked(serving={"diversity": typo})
    assert world.condition(KIND) == ("False", "FeatureNotServed")
    assert "serving.diversity genres" in world.message(KIND)
    known = looked(serving={"diversity": [{"feature": "genre", "maxPerCategory": 2}]})
    assert known.condition(KIND)[0] == "True"
    declared = json.loads((ROOT / DECLARED).read_text())
    with_categories = {f["name"] for f in declared["items"] if "Categorical" in f["kind"]}
    assert with_categories == unserved_features.SAMPLE_ITEMS
    assert {feature["name"] for feature in declared["users"]} == unserved_features.SAMPLE_USERS


def test_a_segment_that_no_request_has_is_named() -> None:
    segments = [{"feature": "devise"}]
    plan = {**BY_USERS["rollout"]["experiment"], "segments": segments}
    world = looked(**(BY_USERS | {"data": data(SHOP), "rollout": {"experiment": plan}}))
    assert world.condition(KIND) == ("False", "FeatureNotServed")
    assert "rollout.experiment.segments devise" in world.message(KIND)


@pytest.mark.parametrize(
    ("sections", "named"),
    [
        (
            {
                "training": {
                    "algorithm": "LogisticRegression",
                    "hyperparameters": {"epochs": 3},
                    "warmStart": {},
                }
            },
            "training.hyperparameters.epochs 3, training.warmStart {}: no effect without "
            "training.algorithm DeepRanker",
        ),
        ({"training": {"export": {"maxAucLoss": 0}}}, "training.export.maxAucLoss 0"),
        (
            {"rollout": {"analysis": {"prometheusUrl": "http://prom:9090"}}},
            "rollout.analysis.provider Prometheus",
        ),
        (
            {"rollout": {"traffic": "Knative"}, "serving": {"transformerReplicas": 3}},
            "serving.transformerReplicas 3",
        ),
        ({"retrain": {"mode": "Manual", "afterSnapshots": 24}}, "retrain.mode Propose or Auto"),
    ],
)
def test_a_setting_that_another_one_makes_useless_is_named_with_that_one(
    sections: dict[str, Any], named: str
) -> None:
    world = looked(**sections)
    assert world.condition(KIND) == ("False", "NoEffect")
    assert named in world.message(KIND)


def test_a_long_value_is_shortened() -> None:
    segments = [{"feature": f"feature_{number}"} for number in range(3)]
    plan = {**BY_USERS["rollout"]["experiment"], "segments": segments}
    world = looked(Platform(), **(BY_USERS | {"rollout": {"experiment": plan}}))
    assert "…" in world.message(KIND)
    assert len(world.message(KIND)) <= MAX_MESSAGE
