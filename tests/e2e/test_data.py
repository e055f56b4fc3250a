"""The data of a shop: text ids, scheduled snapshots, and time travel."""

from __future__ import annotations

import urllib.parse
from typing import Any

import numpy as np
import pytest
import tritonclient.http

from tests.e2e.conftest import NewWorld
from tests.scenario import stories
from tests.scenario.world import World

pytestmark = pytest.mark.e2e

#: The files of MovieLens with a mapping, and ids as texts.
MAPPING: dict[str, Any] = {
    "interactions": {
        "files": "*.inter",
        "user": "user_id:token",
        "item": "item_id:token",
        "timestamp": "timestamp:float",
        "value": "rating:float",
    },
    "users": {
        "files": "*.user",
        "id": "user_id:token",
        "features": [
            {
                "name": "age",
                "kind": "Numeric",
                "column": "age:token",
                "edges": [18, 25, 35, 45, 50, 56],
                "minimum": 0,
                "maximum": 120,
                "fairness": True,
                "coldStart": True,
            },
            {
                "name": "gender",
                "kind": "Categorical",
                "column": "gender:token",
                "fairness": True,
                "coldStart": True,
            },
            {"name": "occupation", "kind": "Categorical", "column": "occupation:token"},
        ],
    },
    "items": {
        "files": "*.item",
        "id": "item_id:token",
        "title": "movie_title:token_seq",
        "features": [
            {
                "name": "genre",
                "kind": "MultiCategorical",
                "column": "class:token_seq",
                "separator": " ",
                "fairness": True,
            },
            {
                "name": "release_year",
                "kind": "Timestamp",
                "column": "release_year:token",
                "unit": "Year",
            },
        ],
    },
    "csv": {"delimiter": "\t", "quote": "^"},
    "ids": {"user": "Text", "item": "Text"},
}
DATA: dict[str, Any] = {
    "source": {"format": "CSV", "mapping": MAPPING},
    "snapshots": {"every": "Hourly", "keep": 48},
}
ASKED = {"user_id": "42", "session": [{"item": "50", "timestamp": 881250949, "value": 5}]}


def over_v2(world: World) -> np.ndarray[Any, Any]:
    address = urllib.parse.urlsplit(world.gateway).netloc
    user = tritonclient.http.InferInput("user_id", [1], "BYTES")
    user.set_data_from_numpy(np.array([b"42"], dtype=np.object_))
    with tritonclient.http.InferenceServerClient(address) as client:
        answer = client.infer("recommender", [user], headers={"Host": world.host})
    found: np.ndarray[Any, Any] = answer.as_numpy("item_ids")
    return found


def until_snapshot(world: World, after: str | None = None) -> dict[str, Any]:
    """Wait for a snapshot later than `after`, and return its status."""

    def taken() -> bool:
        reported = world.status.get("snapshots") or {}
        return reported.get("takenAt", after) != after

    world.until("a snapshot", taken, 180)
    reported: dict[str, Any] = world.status["snapshots"]
    return reported


def test_given_text_ids_and_later_data_when_the_earlier_data_is_pinned_then_it_is_trained_on(
    new_world: NewWorld,
) -> None:
    world = new_world(
        {"data": DATA, "retrain": {"mode": "Auto", "onDrift": False, "afterSnapshots": 1}}
    )
    first = world.version(stories.first_version(world).version)
    lineage = first["status"]["lineage"]

    answer = world.answer(ASKED)
    assert answer["source"] == "model"
    assert answer["items"], answer
    assert all(isinstance(item, str) for item in answer["items"]), answer
    assert "50" not in answer["items"], "an item of the session"
    assert all(isinstance(item, bytes) for item in over_v2(world).ravel())

    snapshot = until_snapshot(world)
    assert world.condition("SnapshotTaken")["status"] == "True"
    assert snapshot["dataVersion"] == lineage["dataVersion"], "nothing came since the check"
    assert snapshot["newRows"] == 0
    assert set(world.kube.versions(world.name)) == {world.champion}, "nothing new to train on"

    world.add_shifted_data()
    ask = {"recommender.dev/snapshot": "the new season"}
    retraining = world.new_version_after(lambda: world.kube.annotate(world.name, ask), 180)
    later = until_snapshot(world, after=snapshot["takenAt"])
    assert later["newRows"] > 0, later
    assert later["rows"] == snapshot["rows"] + later["newRows"]
    assert later["kept"] > snapshot["kept"]
    trigger = world.version(retraining)["spec"]["trigger"]
    assert trigger == "Retrain: a snapshot with new rows"

    pin = {"data": {**DATA, "version": lineage["dataVersion"]}}
    again = world.new_version_after(lambda: world.apply(pin))
    world.until(
        f"{again} to be trained",
        lambda: bool(world.version(again).get("status", {}).get("metrics")),
        300,
    )
    repeated = world.version(again)["status"]
    for field in ("dataVersion", "dataRows"):
        assert repeated["lineage"][field] == lineage[field]
    # Without a comparison with the champion, the same data give the same bytes.
    assert repeated["metrics"]["auc"] == pytest.approx(first["status"]["metrics"]["auc"], abs=1e-6)
