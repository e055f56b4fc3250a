"""A feature is declared once: inputs, models and exported graphs follow from that."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.artifact.checkpoint import Checkpoint, Words
from recommender_training.artifact.reference import FeatureReader
from recommender_training.common.arrays import Doubles
from recommender_training.config.declaration import Declaration
from recommender_training.config.training import FeatureGroup, RetrievalLoss, WarmMode
from recommender_training.data.dataset import Dataset
from recommender_training.data.item_columns import Listed
from recommender_training.data.items import Items
from recommender_training.evaluation import ranking
from recommender_training.export import parity
from recommender_training.features import attributes, graph, table
from recommender_training.features.assembly import Inputs
from recommender_training.features.item_content import content, content_names
from recommender_training.models import logistic, two_tower
from recommender_training.models.ranker import Ranker
from recommender_training.trainer.initial_weights import WarmStart
from tests.declared_models import (
    EVENTS,
    LENGTH,
    MODELS,
    Fitted,
    answered,
    bucket,
    data_of,
    fitted,
)

#: Every kind of each place.
EVERY_KIND: dict[str, Any] = {
    "users": [
        {"name": "plan", "kind": "Categorical", "coldStart": True},
        {"name": "member", "kind": "Boolean"},
        {"name": "points", "kind": "Numeric", "minimum": -30, "maximum": 30, "edges": [0.1, 7]},
        {"name": "spent", "kind": "Numeric", "bands": 3},
        {"name": "joined", "kind": "Timestamp", "edges": [3, 12.5, 180]},
    ],
    "context": [
        {"name": "device", "kind": "Categorical"},
        {"name": "promoted", "kind": "Boolean"},
        {"name": "opened", "kind": "Timestamp", "bands": 3},
        {"name": "position", "kind": "Numeric", "edges": [-4, 4], "servedAs": "1"},
    ],
    "items": [
        {"name": "shelf", "kind": "Categorical"},
        {"name": "topic", "kind": "MultiCategorical", "separator": " "},
        {"name": "new", "kind": "Boolean"},
        {"name": "price", "kind": "Numeric", "minimum": -30, "bands": 3, "transform": "Log"},
        {"name": "made", "kind": "Timestamp"},
        {"name": "look", "kind": "Embedding", "length": 2},
    ],
}
OF_REQUESTS = [each["name"] for place in ("users", "context") for each in EVERY_KIND[place]]
OF_ITEMS = [each["name"] for each in EVERY_KIND["items"]]


@pytest.fixture(scope="module")
def every() -> Fitted:
    """Both models of data with a feature of every kind."""
    data = data_of(Declaration.model_validate(EVERY_KIND), seed=1)
    return fitted(data, (FeatureGroup.DEMOGRAPHIC_RATES,))


def some_request(data: Dataset) -> ranking.Request:
    context = data.as_served(data.events.context_of(np.array([EVENTS - 1])))[0]
    return ranking.Request(0, np.arange(3), 2_000_000, context)


def test_what_is_declared_is_among_the_inputs_as_the_bucket_of_its_value(every: Fitted) -> None:
    data = every.data
    assert [each.name for each in data.attributes] == OF_REQUESTS
    inputs = table.build(data, LENGTH, every.known.constants)
    side = data.side_of_events(np.arange(EVENTS))
    for place, attribute in enumerate(data.attributes):
        expected = [
            bucket(attribute, value, int(now))
            for value, now in zip(side[:, place].tolist(), data.events.time, strict=True)
        ]
        assert inputs.side[:, place].tolist() == expected
        assert len({0, *expected}) > 2, "two of those that are known, at least"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", OF_REQUESTS)
def test_every_declared_feature_of_users_and_context_changes_the_answer(
    every: Fitted, model: str, name: str
) -> None:
    inputs = every.inputs(some_request(every.data))
    place = OF_REQUESTS.index(name)
    other = inputs.side.clone()
    other[:, place] = (other[:, place] + 1) % every.data.attributes[place].buckets
    changed = every.score(model, dataclasses.replace(inputs, side=other))
    assert not np.allclose(changed, every.score(model, inputs))


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
        towers = two_tower.create(data, data.events.item.astype(np.int64), size).eval()
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
        assert rows.any() == (size <= most), name


@pytest.mark.parametrize("model", MODELS)
def test_exported_graphs_read_every_declared_feature_as_the_models_do(
    every: Fitted, model: str
) -> None:
    holds_parity(every, model)


@pytest.mark.parametrize("model", MODELS)
def test_exported_graphs_serve_data_without_a_declared_feature(model: str) -> None:
    nothing = fitted(data_of(Declaration(), seed=2), (FeatureGroup.DEMOGRAPHIC_RATES,))
    assert nothing.data.attributes == ()
    holds_parity(nothing, model)


def holds_parity(own: Fitted, model: str) -> None:
    task = ranking.reveal_half(own.data, np.arange(EVENTS // 2, EVENTS), LENGTH)
    assert len(task.requests) >= 3
    scorer: Callable[[Inputs], Doubles] = functools.partial(own.score, model)
    told = parity.check(own.graph(model), scorer, own.known, task.requests, parity.Lists())
    assert told["requests"] == len(task.requests)


@pytest.mark.parametrize("model", MODELS)
def test_a_request_without_a_value_has_the_answer_of_the_value_at_serving(
    every: Fitted, model: str
) -> None:
    graph, unknown = every.graph(model), [float("nan")] * len(OF_REQUESTS)
    place = OF_REQUESTS.index("position")

    def scores(position: float) -> list[float]:
        features = [*unknown[:place], position, *unknown[place + 1 :]]
        ids, found = answered(graph, 999, features)
        return found[0, ids[0].argsort()].tolist()

    assert scores(float("nan")) == scores(1.0)
    assert scores(float("nan")) != scores(9.0)


@given(st.integers(0, 4 * 10**9), st.integers(-(10**9), 4 * 10**9), st.integers(0, 10**8))
def test_the_age_of_a_time_never_falls_and_is_that_of_the_drift_features(
    now: int, then: int, later: int
) -> None:
    """Drift counts exact seconds; models hold a time to two minutes."""
    side = torch.tensor([[then / 86_400]] * 2, dtype=torch.float32)
    found = graph.aged(side, torch.tensor([True]), torch.tensor([now, now + later]))
    first, second = found[:, 0].tolist()
    assert first <= second
    reader = FeatureReader(
        {"historyLength": 1, "items": {"ids": [], "features": []},
         "features": [{"name": "it", "of": "user", "kind": "Timestamp", "edges": []}]}
    )  # fmt: skip
    exact = reader.read({"user": {"it": then}, "timestamp": now})["it"]
    assert exact == max(0.0, (now - then) / 86_400)
    assert first == pytest.approx(exact, rel=1e-6, abs=170 / 86_400)


def test_fairness_parts_events_by_the_age_at_each(every: Fitted) -> None:
    data, rows = every.data, np.arange(EVENTS)
    place = OF_REQUESTS.index("opened")
    expected = [
        bucket(data.attributes[place], value, int(now)) - 1
        for value, now in zip(data.side_of_events(rows)[:, place].tolist(), data.events.time,
                              strict=True)
    ]  # fmt: skip
    assert attributes.of_events(data, "opened", rows).tolist() == expected
    assert len(set(expected)) > 2


def test_later_events_do_not_change_the_age_of_an_event(every: Fitted) -> None:
    data = every.data
    early = data.until(int(data.events.time[EVENTS // 2]))
    for whole, part in zip(_buckets(data)[: len(early.events)], _buckets(early), strict=True):
        assert whole == part


def _buckets(data: Dataset) -> list[list[int]]:
    side = data.side_of_events(np.arange(len(data.events)))
    found: list[list[int]] = attributes.buckets(data, side, data.events.time).tolist()
    return found
