"""Models read every declared feature, and numbers of one band as what they are."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from recommender_contract.resource.hyperparameters import RetrievalLoss
from recommender_contract.resource.training_settings import WarmMode
from recommender_training.artifact.checkpoint import Checkpoint, Words
from recommender_training.data.dataset import Dataset
from recommender_training.data.item_columns import Listed
from recommender_training.data.items import Items
from recommender_training.features import attributes
from recommender_training.features.item_content import content, content_names
from recommender_training.models import logistic, two_tower
from recommender_training.models.ranker import Ranker
from recommender_training.trainer.initial_weights import WarmStart
from tests.declared_models import LENGTH, MODELS, Fitted, fitted
from tests.unit.recommender_training.features.declared_models import (
    OF_ITEMS,
    OF_REQUESTS,
    some_request,
)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", OF_REQUESTS)
def test_every_declared_feature_of_users_and_context_changes_the_answer(
    every: Fitted, model: str, name: str
) -> None:
    inputs = every.inputs(some_request(every.data))
    own, lane = attributes.named_buckets(every.data, name)[0], lane_of(every.data, name)
    other = inputs.side.clone()
    other[:, lane] = (other[:, lane].clamp(min=0) + 1) % own.buckets
    if own.length:  # known, or not
        other[:, lane] = torch.where(inputs.side[:, lane] < 0, 0, -1)
    changed = every.score(model, dataclasses.replace(inputs, side=other))
    assert not np.allclose(changed, every.score(model, inputs))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("place", range(4))
def test_the_numbers_of_embeddings_of_requests_change_the_answer_of_the_ranker_alone(
    every: Fitted, model: str, place: int
) -> None:
    inputs = every.inputs(some_request(every.data))
    vector = inputs.vector.clone()
    vector[:, place] += 1.0
    before = every.score(model, inputs)
    after = every.score(model, dataclasses.replace(inputs, vector=vector))
    assert np.array_equal(before, after) == (model == "baseline")


@pytest.mark.parametrize("model", MODELS)
def test_the_order_of_categories_and_their_number_do_not_weigh(every: Fitted, model: str) -> None:
    """The mean of two equal categories is the category itself."""
    inputs, lane = every.inputs(some_request(every.data)), lane_of(every.data, "likes")

    def of(*buckets: int) -> list[float]:
        side = inputs.side.clone()
        side[:, lane : lane + 3] = torch.tensor(buckets)
        found: list[float] = every.score(model, dataclasses.replace(inputs, side=side)).tolist()
        return found

    assert of(1, 2, -1) == pytest.approx(of(-1, 2, 1), abs=1e-5)
    assert of(1, 1, -1) == pytest.approx(of(1, -1, -1), abs=1e-5)
    assert of(1, 2, -1) != pytest.approx(of(1, -1, -1), abs=1e-3)


def test_towers_read_the_categories_and_embeddings_of_requests(every: Fitted) -> None:
    data = every.data
    size = two_tower.TowerSize(
        attributes.sizes(data), 4, LENGTH, 0.0, RetrievalLoss.SAMPLED_SOFTMAX,
        spans=attributes.spans(data),
    )  # fmt: skip
    torch.manual_seed(0)
    towers = two_tower.create_towers(data, data.events.item.astype(np.int64), size).eval()
    for table in towers.side:
        torch.nn.init.normal_(table.get_parameter("weight"))
    inputs = every.inputs(some_request(data))
    side, vector = inputs.side.clone(), inputs.vector.clone()
    lane = lane_of(data, "likes")
    side[:, lane : lane + 3] = torch.tensor([1, 3, -1])
    vector[:, 0] += 1.0
    before = towers.lift(inputs)
    for changed in ({"side": side}, {"vector": vector}):
        assert not torch.allclose(before, towers.lift(dataclasses.replace(inputs, **changed)))


def lane_of(data: Dataset, name: str) -> int:
    """The first lane of a feature."""
    names = [each.name for each in attributes.of_lanes(data.attributes)]
    return names.index(name)


def without(data: Dataset, name: str) -> Dataset:
    """The data whose first item lacks one feature."""
    items = data.items
    times, embeddings = items.times.copy(), items.embeddings.copy()
    positions = items.positions.copy()
    places, shares = items.listed.places.copy(), items.listed.shares.copy()
    for block, start, end in zip(
        items.blocks, (0, *items.listed.ends), items.listed.ends, strict=False
    ):
        if block.name == name:
            places[0, start:end], shares[0, start:end] = items.category_count, 0.0
    listed = dataclasses.replace(items.listed, places=places, shares=shares)
    if name in items.time_names:
        times[0, items.time_names.index(name)] = np.nan
    if name == "look":
        embeddings[0] = 0
    if f"{name}:number" in items.position_names:
        positions[0, items.position_names.index(f"{name}:number")] = 0
    changed = dataclasses.replace(
        items, listed=listed, times=times, embeddings=embeddings, positions=positions
    )
    return dataclasses.replace(data, items=changed)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", OF_ITEMS)
def test_every_declared_feature_of_items_changes_the_answer_and_the_regression_reads_no_embedding(
    every: Fitted, model: str, name: str
) -> None:
    request = some_request(every.data)
    full = dataclasses.replace(every.data.items)
    filled = dataclasses.replace(
        every.data,
        items=dataclasses.replace(
            full,
            listed=_first_has_all_features(full),
            times=_first_has_all(full.times),
            embeddings=_first_has_all(full.embeddings),
        ),
    )
    scores = []
    for data in (filled, without(filled, name)):
        torch.manual_seed(0)
        deep = Ranker(every.deep.size, content(data.items), every.deep.mean, every.deep.scale)
        deep.load_state_dict(every.deep.state_dict())
        own = dataclasses.replace(every, deep=deep.eval())
        scores.append(own.score(model, own.inputs(request, data), data)[0])
    if model == "baseline" and name == "look":
        assert scores[0] == scores[1]
    else:
        assert abs(scores[0] - scores[1]) > 1e-6


def _first_has_all_features(items: Items) -> Listed:
    """The categories of the items, of which the first has one of each feature at least."""
    places, shares, start = items.listed.places.copy(), items.listed.shares.copy(), 0
    for block, end in zip(items.blocks, items.listed.ends, strict=True):
        width = end - start
        places[0, start:end] = np.arange(block.start, block.start + width)
        shares[0, start:end] = 1.0 / width
        start = end
    return dataclasses.replace(items.listed, places=places, shares=shares)


def _first_has_all(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    changed = values.copy()
    changed[0] = 1
    return changed


def test_the_ranker_tells_numbers_of_one_band_apart_and_the_regression_does_not(
    every: Fitted,
) -> None:
    request, items = some_request(every.data), every.data.items
    assert items.position_names == ("price:number",)
    assert "price:number" in content_names(items)
    positions = items.positions.copy()
    positions[0] += 0.1
    other = dataclasses.replace(every.data, items=dataclasses.replace(items, positions=positions))
    deep = Ranker(every.deep.size, content(other.items), every.deep.mean, every.deep.scale)
    deep.load_state_dict(every.deep.state_dict())
    changed = dataclasses.replace(every, deep=deep.eval())
    for model in MODELS:
        before = every.score(model, every.inputs(request))
        after = changed.score(model, changed.inputs(request, other), other)
        assert (abs(before[0] - after[0]) > 1e-6) == (model == "recommender")


def test_the_towers_tell_numbers_of_one_band_apart(every: Fitted) -> None:
    items = every.data.items
    size = two_tower.TowerSize((), 4, LENGTH, 0.0, RetrievalLoss.SAMPLED_SOFTMAX)
    vectors = []
    for moved in (0.0, 0.1):
        torch.manual_seed(0)
        own = dataclasses.replace(items, positions=items.positions + np.float32(moved))
        data = dataclasses.replace(every.data, items=own)
        towers = two_tower.create_towers(data, data.events.item.astype(np.int64), size).eval()
        row = content_names(items).index("price:number")
        vectors.append((towers.item_vectors(), towers.of_content.weight[row]))
    (before, weight), (after, _) = vectors
    expected = (0.1 * weight).expand(items.count, -1)
    torch.testing.assert_close(after[1:] - before[1:], expected, rtol=1e-3, atol=1e-5)
    assert weight.abs().min() > 0


def test_a_number_that_the_champion_does_not_know_starts_at_zero(every: Fitted) -> None:
    data, deep = every.data, every.deep
    names = content_names(data.items)
    row = names.index("price:number")
    words = Words.of(data, every.known.constants.groups)
    weights = dict(deep.state_dict())
    weights["of_content.weight"] = weights["of_content.weight"][
        [place for place in range(len(names)) if place != row]
    ]
    older = dataclasses.replace(words, content=(*names[:row], *names[row + 1 :]))
    had = Checkpoint(weights, data.users.ids, data.items.ids, older, 0)
    fresh = Ranker(deep.size, content(data.items), deep.mean, deep.scale)
    WarmStart(had, WarmMode.ALL_WEIGHTS, "sha256:0").apply(fresh, data)
    expected = deep.of_content.weight.detach().clone()
    assert expected[row].abs().min() > 0
    expected[row] = 0.0
    assert torch.equal(fresh.of_content.weight, expected)


def test_the_regression_crosses_only_features_of_few_values(
    every: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = every.data
    sizes = {each.name: each.buckets for each in data.attributes}
    embeddings = {each.name for each in data.attributes if each.length}
    widths = {each.name: len(each.categories) for each in data.items.blocks}
    assert len({*sizes.values()}) > 1 < len({*widths.values()})
    most = 3
    monkeypatch.setattr(logistic, "MAX_CROSSED", most)
    few = fitted(data).linear
    assert few.cross.shape == (
        sum(sizes.values()),
        sum(width for width in widths.values() if width <= most),
    )
    starts = dict(zip(sizes, attributes.offsets(tuple(sizes.values())), strict=True))
    for name, size in sizes.items():
        rows = few.cross[starts[name] : starts[name] + size]
        assert rows.any() == (size <= most and name not in embeddings), name
