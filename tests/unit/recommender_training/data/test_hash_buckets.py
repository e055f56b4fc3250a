"""Hashed categories have one bucket each, the same in training, export and the transformer."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract import hash_buckets
from recommender_serving.artifact import vocabulary as serving
from recommender_serving.artifact.vocabulary_file import VocabularyFile
from recommender_training.artifact import reference, vocabulary
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureSchema, FeatureTable
from recommender_training.data.dataset import Dataset
from recommender_training.data.feature_encoding import Attribute
from recommender_training.export import tensors
from tests import small_data

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
COUNTS = st.integers(2, 50)


def data(values: list[Any], count: int) -> Dataset:
    """Users with these values of a hashed feature, one event each, and hashed words of items."""
    declared = FeatureSchema.model_validate(
        {
            "users": [{"name": "who", "kind": "Categorical", "hashBuckets": count}],
            "items": [{"name": "words", "kind": "MultiCategorical", "separator": "|",
                       "hashBuckets": count}],
        }
    )  # fmt: skip
    users = [{"id": number, "who": value} for number, value in enumerate(values)]
    events = [(number, 0, 5.0, 1 + number) for number in range(len(values))]
    items: list[dict[str, Any]] = [{"id": 0, "words": "red blue green"}, {"id": 1, "words": None}]
    return small_data.build(events, users, items, declared)


@given(st.lists(st.none() | TEXTS, min_size=1, max_size=12), COUNTS)
def test_every_text_has_the_same_code_in_all_places(values: list[Any], count: int) -> None:
    found = data(values, count)
    (own,) = found.attributes
    codes = found.users.side[:, 0]
    words = vocabulary.vocabulary(found, 5)
    served = serving.build_vocabulary(VocabularyFile.model_validate(words)).features["who"]
    reader = reference.FeatureReader(words)
    request = {"timestamp": 1, "user": {}}
    for value, code in zip(values, codes.tolist(), strict=True):
        if value is None:
            assert np.isnan(code)
            continue
        assert code == hash_buckets.bucket(value, count) or value in own.categories
        assert list(served.codes(value)) == [code]
        assert served.group(value) == code
        assert list(served.seen(value, 1)) == [own.categories[int(code)]]
        assert reader.read({**request, "user": {"who": value}})["who"] == code
        sent = {"user_id": 0, "session": [], "user": {"who": value}, "timestamp": 1}
        assert float(tensors.to_tensors([sent], words, top_n=1)[1][0, 0]) == code


@given(st.lists(st.none() | TEXTS, min_size=1, max_size=12), COUNTS)
def test_what_is_stated_of_a_bucket_is_in_that_bucket(values: list[Any], count: int) -> None:
    (own,) = data(values, count).attributes
    codes = own.codes(pl.DataFrame({"who": values}, schema={"who": pl.String}))
    again = own.codes(pl.DataFrame({"who": own.stated(codes)}))
    assert np.array_equal(codes, again, equal_nan=True)


def test_words_of_an_item_share_buckets_once_each() -> None:
    for count in (2, 1000):
        items = data(["a"], count).items
        own = {hash_buckets.bucket(word, count) for word in ("red", "blue", "green")}
        assert set(items.tags[0].indices.tolist()) == own
        assert items.listed.shares[0].sum() == pytest.approx(1)
        assert items.first[0].tolist() == [hash_buckets.bucket("red", count), -1]
        assert items.category_count == count


def test_a_value_that_is_served_is_hashed_too() -> None:
    feature = Feature.model_validate(
        {"name": "q", "kind": "Categorical", "hashBuckets": 7, "servedAs": "new"}
    )
    own = Attribute(feature, FeatureTable.CONTEXT, hash_buckets.names(7))
    assert own.served == hash_buckets.bucket("new", 7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"maxCategories": 3}, "hashBuckets and maxCategories exclude each other"),
        ({"fairness": True}, "fairness needs categories, and hashBuckets=5 mixes them"),
        ({"coldStart": True}, "coldStart needs categories"),
        ({"kind": "Numeric"}, "hash_buckets is a setting of Categorical or MultiCategorical"),
        ({"hashBuckets": 1}, "greater than or equal to 2"),
    ],
)
def test_settings_that_buckets_cannot_have_are_refused(
    settings: dict[str, Any], message: str
) -> None:
    base = {"name": "who", "kind": "Categorical", "hashBuckets": 5}
    with pytest.raises(ValueError, match=message):
        Feature.model_validate(base | settings)


def test_a_vocabulary_with_another_number_of_buckets_is_refused() -> None:
    words = vocabulary.vocabulary(data(["a"], 5), 5)
    words["features"][0]["hashBuckets"] = 6
    with pytest.raises(ValueError, match="who has 5 categories for 6 hashBuckets"):
        VocabularyFile.model_validate(words)


def test_the_fault_of_broken_features_breaks_a_hashed_one() -> None:
    words = vocabulary.broken(vocabulary.vocabulary(data(["a"], 5), 5), 0, "who")
    served = serving.build_vocabulary(VocabularyFile.model_validate(words)).features["who"]
    assert list(served.seen("a", 1)) == [None]
