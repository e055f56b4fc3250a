"""Models read each item that a request names as it was at the time of the request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from recommender_contract.resource.hyperparameters import RetrievalLoss
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data.dataset import Dataset
from recommender_training.features import event_features
from recommender_training.features.assembly import Constants, Inputs
from recommender_training.models import logistic, ranker, two_tower
from recommender_training.models.ranker import RankerSize
from recommender_training.models.tower_examples import Batch
from tests import small_data

DECLARED = FeatureSchema.model_validate(
    {
        "itemHistory": True,
        "items": [
            {"name": "brand", "kind": "Categorical"},
            {"name": "picture", "kind": "Embedding", "length": 2},
        ],
    }
)
CATALOGUE_AT = 25


@pytest.fixture(scope="module")
def data() -> Dataset:
    items: list[dict[str, Any]] = [
        {"id": 0, "valid_from": 10, "brand": "plain", "picture": "1.0 0.0"},
        {"id": 0, "valid_from": 30, "brand": "fine", "picture": "0.0 2.0"},
        {"id": 1, "valid_from": 20, "brand": "fine", "picture": None},
        {"id": 2, "valid_from": None, "brand": None, "picture": "1.0 1.0"},
    ]
    rows = [(0, 0, 5.0, 5), (0, 1, 2.0, 15), (0, 2, 5.0, 22), (0, 0, 5.0, 31)]
    events: list[small_data.Event] = [*rows, (1, 0, 5.0, 32), (1, 1, 5.0, 33)]
    return small_data.build(events, [{"id": n} for n in range(2)], items, DECLARED)


@pytest.fixture(scope="module")
def inputs(data: Dataset) -> Inputs:
    return event_features.build_features(data, 3, Constants(3.0, 0.5))


def towers(data: Dataset, loss: RetrievalLoss) -> two_tower.TwoTower:
    torch.manual_seed(1)
    size = two_tower.TowerSize((), 4, 3, 0.0, loss, CATALOGUE_AT)
    return two_tower.create_towers(data, data.events.item.astype(np.int64), size).eval()


def by_hand(model: two_tower.TwoTower, batch: Batch) -> tuple[Tensor, Tensor]:
    """[B, D] and [B, L, D] vectors of target and session, request by request."""
    tables = [model.item_vectors(int(time)) for time in batch.inputs.items_at]
    target = torch.stack([each[row] for each, row in zip(tables, batch.target, strict=True)])
    named = zip(tables, batch.inputs.session, strict=True)
    return target, torch.stack([each[rows] for each, rows in named])


def test_the_vectors_of_an_item_follow_its_rows(data: Dataset) -> None:
    model = towers(data, RetrievalLoss.SAMPLED_SOFTMAX)
    before, first, second = (model.item_vectors(time)[1] for time in (9, 10, 30))
    assert torch.equal(before, model.item.weight[1])  # nothing is known of it but its id
    assert not torch.equal(first, before)
    assert not torch.equal(second, first)
    assert torch.equal(model.item_vectors()[1], second)


def test_towers_see_the_items_of_a_batch_at_the_times_of_its_requests(
    data: Dataset, inputs: Inputs
) -> None:
    model = towers(data, RetrievalLoss.SAMPLED_SOFTMAX)
    batch = Batch(inputs, inputs.target)
    target, session = by_hand(model, batch)
    named = torch.cat([batch.target.unsqueeze(1), inputs.session], 1)
    for read in (None, model.item.weight[named]):
        items, of_target, of_session = model.items_of(batch, read)
        assert torch.allclose(items[of_target], target)
        assert torch.allclose(items[of_session], session)


@pytest.mark.parametrize("catalogues", [1, 2, 8])
def test_a_softmax_sees_what_was_liked_at_the_time_of_the_rest_of_the_catalogue(
    data: Dataset, inputs: Inputs, catalogues: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(two_tower, "_CATALOGUES", catalogues)
    model = towers(data, RetrievalLoss.FULL_SOFTMAX)
    mixed = inputs.take(torch.tensor([3, 0, 5, 2, 1, 4]))
    found = model.catalogue_logits(Batch(mixed, mixed.target))
    _, session = by_hand(model, Batch(mixed, mixed.target))
    requests = model.of_session(session, mixed)
    ages = mixed.items_at.sort().values
    for row, time in enumerate(mixed.items_at.tolist()):
        size = -(-len(ages) // catalogues)
        place = ages.tolist().index(time)
        then = int(ages[place - place % size])  # the oldest of the requests near in time
        assert then <= time
        wanted = model.item_vectors(then)[1:] @ requests[row] + model.bias
        assert torch.allclose(found[row], wanted, atol=1e-6)


def test_the_ranker_sees_items_at_the_time_of_the_request(data: Dataset, inputs: Inputs) -> None:
    torch.manual_seed(2)
    size = RankerSize(2, (), 4, 0.0, 0.0)
    model = ranker.create_ranker(data, inputs, torch.arange(len(inputs)), size=size).eval()
    parts = [model.item_parts(inputs, None)]
    named = torch.cat([inputs.target.unsqueeze(1), inputs.session], 1)
    parts.append(model.item_parts(inputs, model.item.weight[named]))
    newest = model.item_vectors()
    for target, session in parts:
        assert torch.allclose(target[3:], newest[inputs.target[3:]])  # after the last change
        assert not torch.allclose(target[0], newest[1])  # before the first row
        assert torch.allclose(target[0], model.item.weight[1])
        assert torch.allclose(session[3:], newest[inputs.session[3:]])


def test_the_regression_sees_items_at_the_time_of_the_request(
    data: Dataset, inputs: Inputs
) -> None:
    rows = np.arange(len(inputs))
    model = logistic.fit(inputs, rows, data, data.events.label)
    model = replace(model, tag=np.array([1.0, 2.0], dtype=np.float32), cross=model.cross * 0)
    without = replace(model, tag=model.tag * 0)
    added = model.logits(inputs, data) - without.logits(inputs, data)
    # the categories are fine and plain: no row yet, none yet, no brand, fine, fine, fine
    assert np.allclose(added, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
