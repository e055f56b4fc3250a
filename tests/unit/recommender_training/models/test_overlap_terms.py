"""The ranker reads how far a request and an item say the same, and learns from few positives."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from recommender_contract.resource.hyperparameters import Retrieval
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.config.training import Hyperparameters, TrainingConfig
from recommender_training.data.dataset import Dataset
from recommender_training.features import event_features, overlap_features
from recommender_training.features.assembly import Constants, Inputs
from recommender_training.features.item_content import content
from recommender_training.features.prepared_data import prepare_data
from recommender_training.fitted.predict import predict
from recommender_training.models.item_vectors import ItemContent
from recommender_training.models.overlap_terms import OverlapTerms
from recommender_training.statistics import model_metrics
from recommender_training.trainer import deep_ranker
from tests import small_data

LIST = {"kind": "MultiCategorical", "separator": " "}


def declared(**features: Any) -> FeatureSchema:
    return FeatureSchema.model_validate({"users": [], "context": [], "items": [], **features})


def data_of(
    declaration: FeatureSchema, user: dict[str, Any], items: list[dict[str, Any]]
) -> Dataset:
    """One user's events with each of the items, in this order."""
    rows = [{"id": 10 + place, **each} for place, each in enumerate(items)]
    events = [(1, each["id"], 5.0, 1000 + place) for place, each in enumerate(rows)]
    return small_data.build(events, [{"id": 1, **user}], rows, declaration)


def inputs_of(data: Dataset) -> Inputs:
    return event_features.build_features(data, 2, Constants(centre=3.0, prior=0.5))


def numbers(data: Dataset) -> Tensor:
    own = OverlapTerms(overlap_features.overlap_features(data))
    return own.numbers(inputs_of(data), ItemContent(content(data.items)))


LIKES = declared(
    users=[{"name": "likes", **LIST}], items=[{"name": "topic", **LIST}, {"name": "shelf", **LIST}]
)


def test_a_match_is_the_share_of_the_items_categories_that_the_request_names() -> None:
    items: list[dict[str, Any]]
    items = [{"topic": "a"}, {"topic": "a b"}, {"topic": "b c"}, {"topic": None}, {"topic": "d"}]
    data = data_of(LIKES, {"likes": "a c x"}, items)
    assert [each.name for each in overlap_features.overlap_features(data)] == ["likes:topic"]
    assert numbers(data)[:, 0].tolist() == [1.0, 0.5, 0.5, 0.0, 0.0]
    nobody = data_of(LIKES, {"likes": None}, items)
    assert overlap_features.overlap_features(nobody) == ()


def test_a_category_counts_once_and_an_unknown_one_never() -> None:
    data = data_of(LIKES, {"likes": "a c"}, [{"topic": "a c"}, {"topic": "b"}])
    own, inputs = OverlapTerms(overlap_features.overlap_features(data)), inputs_of(data)
    side = inputs.side.clone()
    side[:, :3] = torch.tensor([1, 1, -1])  # a, twice
    found = own.numbers(dataclasses.replace(inputs, side=side), ItemContent(content(data.items)))
    assert found[:, 0].tolist() == [0.5, 0.0]
    side[:, :3] = torch.tensor([0, -1, -1])
    found = own.numbers(dataclasses.replace(inputs, side=side), ItemContent(content(data.items)))
    assert found[:, 0].tolist() == [0.0, 0.0]


def test_embeddings_of_one_length_match_by_their_product_in_units_of_chance() -> None:
    vectors = declared(
        users=[{"name": "short", "kind": "Embedding", "length": 2}],
        context=[{"name": "query", "kind": "Embedding", "length": 4}],
        items=[
            {"name": "look", "kind": "Embedding", "length": 3},
            {"name": "text", "kind": "Embedding", "length": 4},
        ],
    )
    event = (1, 10, 5.0, 1000, {"query": "0 2 0 0"})
    item = {"id": 10, "look": "0 0 0", "text": "0 3 4 0"}
    data = small_data.build([event], [{"id": 1, "short": "1 1"}], [item], vectors)
    assert [each.name for each in overlap_features.overlap_features(data)] == ["query:text"]
    assert numbers(data).tolist() == [[pytest.approx(0.6 * 4**0.5)]]


@pytest.mark.parametrize(
    ("own", "theirs", "alike"),
    [({}, {}, True), ({"hashBuckets": 4}, {"hashBuckets": 4}, True),
     ({"hashBuckets": 4}, {"hashBuckets": 5}, False), ({"hashBuckets": 4}, {}, False)],
)  # fmt: skip
def test_buckets_match_those_of_the_same_number_alone(
    own: dict[str, Any], theirs: dict[str, Any], alike: bool
) -> None:
    both = declared(
        users=[{"name": "likes", **LIST, **own}], items=[{"name": "topic", **LIST, **theirs}]
    )
    data = data_of(both, {"likes": "a b #1"}, [{"topic": "a"}, {"topic": "#1"}])
    assert bool(overlap_features.overlap_features(data)) == alike


def test_numbers_booleans_and_times_of_one_name_are_no_match() -> None:
    both = declared(
        users=[{"name": "member", "kind": "Boolean"}, {"name": "age", "kind": "Numeric"}],
        context=[{"name": "at", "kind": "Timestamp", "calendar": "Month"}],
        items=[
            {"name": "new", "kind": "Boolean"},
            {"name": "years", "kind": "Numeric"},
            {"name": "made", "kind": "Timestamp", "calendar": "Month"},
        ],
    )
    rows = [{"id": 10, "new": "true", "years": 3.0, "made": 0}]
    event = (1, 10, 5.0, 1000, {"at": 0})
    data = small_data.build([event], [{"id": 1, "member": "true", "age": 3.0}], rows, both)
    assert overlap_features.overlap_features(data) == ()


WORDS = [f"c{number}" for number in range(24)]
EVENTS = 8000


def shop(seed: int) -> Dataset:
    """Users like items of their two interests of 24: a fifth of these events are positive, and one
    in fifty of the others.
    """
    random = np.random.default_rng(seed)
    likes = [random.choice(24, 2, replace=False) for _ in range(300)]
    topic = random.integers(24, size=150)
    events = []
    for number in range(EVENTS):
        user, item = int(random.integers(300)), int(random.integers(150))
        chance = 0.2 if topic[item] in likes[user] else 0.02
        value = 5.0 if random.random() < chance else 1.0
        events.append((1 + user, 1 + item, value, 1_000_000 + 60 * number))
    users = [
        {"id": 1 + n, "likes": " ".join(WORDS[each] for each in own)}
        for n, own in enumerate(likes)
    ]
    items = [{"id": 1 + n, "topic": WORDS[each]} for n, each in enumerate(topic)]
    return small_data.build(events, users, items, LIKES)


def test_a_few_hundred_positives_teach_that_users_like_what_interests_them() -> None:
    hyperparameters = Hyperparameters(
        retrieval=Retrieval.WEIGHTS, embedding_dim=16, batch_size=256
    )
    config = TrainingConfig(seed=1, hyperparameters=hyperparameters)
    prepared = prepare_data(shop(seed=1), config)
    assert prepared.data.events.label[prepared.split.train].sum() < 400
    model, _ = deep_ranker.fit_deep(prepared, config, 1)
    tested = prepared.split.test
    logits = predict(model, prepared.inputs, torch.from_numpy(tested)).numpy()
    found = model_metrics.auc(prepared.data.events.label[tested], logits)
    assert found is not None
    assert found > 0.63  # the true probabilities: .70
