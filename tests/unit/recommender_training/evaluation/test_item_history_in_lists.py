"""Lists and responses see the items as they were at the start of their window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from recommender_contract.resource.hyperparameters import RetrievalLoss
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data.splits import Split
from recommender_training.evaluation import predictions, response_metrics
from recommender_training.evaluation.first_stage import FirstStage
from recommender_training.evaluation.predictions import Window
from recommender_training.features import event_features, item_groups
from recommender_training.features.assembly import Constants
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.models import two_tower
from tests import small_data

DECLARED = FeatureSchema.model_validate(
    {
        "itemHistory": True,
        "items": [{"name": "brand", "kind": "Categorical", "fairness": True}],
    }
)
START = 20


@pytest.fixture(scope="module")
def window() -> Window:
    """The rows from 20 s on: item 0 changes before and inside the window, item 1 begins in it."""
    items: list[dict[str, Any]] = [
        {"id": 0, "valid_from": 5, "brand": "plain"},
        {"id": 0, "valid_from": 15, "brand": "fine"},
        {"id": 0, "valid_from": 25, "brand": "plain"},
        {"id": 1, "valid_from": 30, "brand": "fine"},
        {"id": 2, "valid_from": None, "brand": "plain"},
    ]
    rows = [(0, 0, 5.0, 6), (0, 1, 2.0, 10), (0, 2, 5.0, 20), (0, 0, 5.0, 26), (0, 1, 5.0, 40)]
    data = small_data.build(rows, [{"id": 0}], items, DECLARED)
    frozen, every = Constants(3.0, 0.5), np.arange(5)
    split = Split(every[:2], every[2:2], every[2:], START, START)
    prepared = PreparedData(data, split, frozen, event_features.build_features(data, 3, frozen), 3)
    size = two_tower.TowerSize((), 4, 3, 0.0, RetrievalLoss.SAMPLED_SOFTMAX)
    towers = two_tower.create_towers(data, data.events.item.astype(np.int64), size)
    return predictions.window(prepared, split.test, RetrievalModels(towers=towers))


def test_candidates_of_lists_are_read_as_of_the_start_of_the_window(window: Window) -> None:
    assert all(request.time > START for request in window.task.requests)
    inputs = window.known.inputs(window.task.requests, np.array([[0, 1, 2]]))
    assert set(inputs.items_at.tolist()) == {START}
    towers = window.sources.towers
    assert towers is not None
    found = FirstStage(window.known, window.sources, None)._tower_items
    assert torch.equal(found, towers.item_vectors(START))
    assert not torch.equal(found, towers.item_vectors())


def test_exposure_counts_an_item_for_the_groups_that_it_was_in_then(window: Window) -> None:
    assert item_groups.names("brand", window.data.items) == (
        "brand:fine", "brand:plain", "brand:unknown",
    )  # fmt: skip
    assert window.membership("brand").argmax(1).tolist() == [0, 2, 1]


def test_rows_of_responses_count_for_the_groups_of_the_start_of_the_window(
    window: Window,
) -> None:
    found = response_metrics.item_rows(window.data, window.rows)
    assert found["brand:fine"].tolist() == [False, True, False]
    assert found["brand:plain"].tolist() == [True, False, False]
