"""Lists of categories and of numbers in requests of the log, in the reference and in tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender_training.artifact import reference
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data.sessions import sample_session_requests
from recommender_training.export import tensors


def test_a_session_counts_in_the_bin_of_each_of_its_categories() -> None:
    vocabulary = {
        "historyLength": 5,
        "features": [
            {"name": "likes", "of": "user", "kind": "MultiCategorical", "maxPerRow": 3,
             "categories": ["a", "b", "c"]},
            {"name": "vector", "of": "context", "kind": "Embedding", "length": 2},
        ],
        "items": {"ids": [1], "features": []},
    }  # fmt: skip
    said: list[dict[str, Any]] = [
        {"user": {"likes": ["b", "a", "b"]}, "context": {"vector": [3.0, 4.0]}},
        {"user": {"likes": ["a", "new", "other"]}, "context": {"vector": [0.0, 1.0]}},
        {"user": {"likes": []}},
        {},
    ]
    requests = [
        {"user_id": place % 2, "timestamp": 1, "session": [], **each}
        for place, each in enumerate(said)
    ]
    made = reference.reference(requests, [0.5] * 4, vocabulary)
    found = {each["name"]: each for each in made["features"]}
    likes = found["likes"]
    assert (likes["categories"], likes["counts"]) == (["a", "b", "c"], [2, 1, 0])
    assert (likes["nulls"], likes["unknowns"], likes["others"]) == (2, 1, 0)
    assert found["vector"]["kind"] == "numeric"
    assert (found["vector"]["edges"], found["vector"]["counts"]) == ([5.0], [1, 1])
    assert found["vector"]["nulls"] == 2
    assert made["sessions"] == 4


def test_sessions_that_count_in_several_bins_have_a_design_effect() -> None:
    """Twice the same category a session is the evidence of one, not of two."""
    random = np.random.default_rng(1)
    users = list(range(400))
    one = random.integers(0, 4, 400).tolist()
    feature = {"kind": "categorical"}
    alone = reference.feature_design_effect(feature, users, one)
    both = reference.one_by_one(users, [(value, value) for value in one])
    assert len(both[0]) == 800
    twice = reference.feature_design_effect(feature, *both)
    assert alone == pytest.approx(1.0, abs=0.3)
    assert twice == pytest.approx(2.0, abs=0.5)


def test_missing_lists_are_as_sure_as_other_missing_values() -> None:
    """Categories of one session are no further sessions."""
    vocabulary = {
        "historyLength": 5,
        "features": [
            {"name": "likes", "of": "user", "kind": "MultiCategorical", "maxPerRow": 3,
             "categories": ["a", "b", "c"]},
            {"name": "tier", "of": "user", "kind": "Categorical", "categories": ["a"]},
        ],
        "items": {"ids": [1], "features": []},
    }  # fmt: skip
    kinds: list[dict[str, Any]] = [
        {"likes": ["a", "b", "c"], "tier": "a"}, {"likes": ["new", "newer"], "tier": "new"}, {},
    ]  # fmt: skip
    requests = [
        {"user_id": place // 2, "timestamp": 1, "session": [], "user": kinds[place // 4 % 3]}
        for place in range(240)
    ]
    made = reference.reference(requests, [0.5] * 240, vocabulary)
    likes, tier = (each for each in made["features"] if each["name"] in ("likes", "tier"))
    assert (likes["nulls"], likes["unknowns"]) == (tier["nulls"], tier["unknowns"]) == (80, 80)
    assert likes["missingDesignEffect"] == tier["missingDesignEffect"] > 1.5


def test_requests_of_the_log_have_lists_where_the_tables_have_texts() -> None:
    declared = FeatureSchema.model_validate(
        {
            "users": [{"name": "likes", "kind": "MultiCategorical"}],
            "context": [{"name": "vector", "kind": "Embedding", "length": 2}],
        }
    )
    events = pl.DataFrame(
        {"user_id": [1, 2], "item_id": [0, 0], "value": [1.0, 1.0], "timestamp": [10, 20],
         "vector": ["0.5 -2.0", None]}
    )  # fmt: skip
    users = pl.DataFrame({"user_id": [1, 2], "likes": ["a b", None]})
    items = pl.DataFrame({"item_id": [0]})
    one, two = sample_session_requests(events, users, items, 0, declared=declared)
    assert (one["user"], one["context"]) == ({"likes": ["a", "b"]}, {"vector": [0.5, -2.0]})
    assert (two["user"], two["context"]) == ({}, {})


def test_tensors_have_the_columns_of_lists() -> None:
    features = [
        {"name": "likes", "of": "user", "kind": "MultiCategorical", "maxPerRow": 3,
         "categories": ["a", "b", "c"]},
        {"name": "vector", "of": "context", "kind": "Embedding", "length": 2},
        {"name": "vip", "of": "user", "kind": "Boolean", "categories": ["false", "true"]},
    ]  # fmt: skip
    vocabulary = {"historyLength": 5, "features": features}
    base: dict[str, Any] = {"user_id": 1, "timestamp": 1}
    asked = [
        {**base, "user": {"likes": ["c", "new", "a", "c"], "vip": True},
         "context": {"vector": [3, 4]}},
        base,
    ]  # fmt: skip
    found = tensors.to_tensors(asked, vocabulary)[1].numpy()
    unknown = np.nan
    np.testing.assert_array_equal(found, [[0, 2, unknown, 3, 4, 1], [unknown] * 6])
