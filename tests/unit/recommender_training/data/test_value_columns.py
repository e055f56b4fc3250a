"""Several values of a feature are columns of numbers, and come back as the tables have them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract import hash_buckets
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import value_columns
from recommender_training.data.feature_encoding import Attribute, FeatureEncoding
from tests import small_data

KNOWN = ("a", "b", "c")
VECTOR = {"name": "vector", "kind": "Embedding", "length": 2}
TAGS = {"name": "tags", "kind": "MultiCategorical", "maxPerRow": 3}


def listed(texts: list[str | None], width: int = 3, known: tuple[str, ...] = KNOWN) -> Any:
    column = pl.Series("tags", texts, dtype=pl.String)
    return value_columns.listed(column, known, width, hashed=False)


def test_known_categories_are_ascending_and_each_once_and_the_rest_is_unknown() -> None:
    found = listed(["c a", "a a new", None, "new", "b"])
    unknown = math.nan
    expected = [[0, 2, unknown], [0, unknown, unknown], [unknown] * 3, [unknown] * 3,
                [1, unknown, unknown]]  # fmt: skip
    np.testing.assert_array_equal(found, np.array(expected, dtype=np.float32))


def test_of_more_categories_than_there_are_columns_the_first_ones_count() -> None:
    np.testing.assert_array_equal(listed(["c b a"], width=2), [[0, 1]])


def test_categories_that_share_a_bucket_count_once() -> None:
    names = hash_buckets.names(2)
    column = pl.Series(["one two three four five", "#1"])
    found = value_columns.listed(column, names, 8, hashed=True)
    assert sorted(found[0][~np.isnan(found[0])].tolist()) == [0, 1]
    assert found[1][0] == 1


def test_without_a_category_nothing_is_known() -> None:
    assert np.isnan(listed(["a b", None], known=())).all()
    assert listed([], width=2).shape == (0, 2)


@given(st.lists(st.none() | st.lists(st.sampled_from([*KNOWN, "new"]), min_size=1, max_size=3)))
def test_what_is_read_of_a_row_is_the_same_after_it_was_written_again(
    rows: list[list[str] | None],
) -> None:
    texts = [None if row is None else " ".join(row) for row in rows]
    found = listed(texts)
    written = value_columns.names_of(found, KNOWN)
    np.testing.assert_array_equal(listed(written), found)
    for row, text in zip(rows, written, strict=True):
        assert set((text or "").split()) == set(row or ()) & {*KNOWN}


@given(
    st.lists(
        st.none() | st.lists(st.floats(-1e9, 1e9, width=32), min_size=2, max_size=2),
        max_size=5,
    )
)
def test_numbers_of_an_embedding_are_read_and_written_as_they_are(
    rows: list[list[float] | None],
) -> None:
    texts = [None if row is None else " ".join(map(str, row)) for row in rows]
    found = value_columns.vectors(pl.Series("vector", texts, dtype=pl.String), 2)
    expected = [[math.nan] * 2 if row is None else row for row in rows]
    np.testing.assert_array_equal(found, np.array(expected, dtype=np.float32).reshape(-1, 2))
    written = pl.Series("vector", value_columns.numbers_of(found), dtype=pl.String)
    np.testing.assert_array_equal(value_columns.vectors(written, 2), found)


@pytest.mark.parametrize(
    ("past", "every", "scale"),
    [
        (["3 4", "0 0", None, "0 1"], ["300 400"], 3.0),  # those without a length do not count
        ([None], ["6 8", None], 10.0),
        (["0 0"], [None], 1.0),
        (["0 0"], ["3 4"], 1.0),  # nothing of later rows, where something was known
        ([], [], 1.0),
        (["1e30 0"], [], 1e30),
    ],
)
def test_an_embedding_is_scaled_by_the_mean_length_of_the_past(
    past: list[str | None], every: list[str | None], scale: float
) -> None:
    frames = (
        pl.LazyFrame({"vector": rows}, schema={"vector": pl.String}) for rows in (past, every)
    )
    feature = Feature.model_validate(VECTOR)
    assert value_columns.scale(feature, *frames) == pytest.approx(scale)


row = st.tuples(
    st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=3),
    st.lists(st.floats(-9, 9, width=32), min_size=2, max_size=2),
)


@given(st.lists(row, min_size=1, max_size=8), st.lists(row, max_size=8))
def test_what_an_event_says_does_not_change_when_later_events_are_added(
    early: list[Any], later: list[Any]
) -> None:
    declared = FeatureSchema.model_validate({"context": [TAGS, VECTOR]})
    users, items = [{"id": 1}], [{"id": 2}]

    def coded(rows: list[Any]) -> tuple[Any, FeatureEncoding]:
        events = [
            (1, 2, 5.0, 1000 + place, {"tags": " ".join(tags), "vector": " ".join(map(str, v))})
            for place, (tags, v) in enumerate(rows)
        ]
        tables = small_data.tables(events, users, items, declared)
        frame = tables.interactions.sort("timestamp")
        until = 1000 + len(early)
        return frame, FeatureEncoding.of(declared, tables.users, tables.items, frame.lazy(), until)

    (one, before), (two, after) = coded(early), coded(early + later)
    of_tags, of_vector = before.attributes
    assert of_vector.scale == after.attributes[1].scale
    assert {*of_tags.categories} <= {*after.attributes[0].categories}
    for own, other in zip(before.attributes, after.attributes, strict=True):
        told = own.stated(own.columns(one)).to_list()
        assert told == other.stated(other.columns(two)).to_list()[: len(early)]


def test_an_attribute_says_how_many_columns_and_lanes_it_has() -> None:
    declared = FeatureSchema.model_validate(
        {"users": [TAGS, VECTOR, {"name": "age", "kind": "Numeric"}]}
    )
    frame = pl.DataFrame(
        {"user_id": [1], "tags": ["x y"], "vector": ["1 2"], "age": [3.0]},
    )
    empty = pl.LazyFrame({"user_id": [], "timestamp": []})
    found: list[Attribute] = [
        *FeatureEncoding.of(declared, frame, frame.select("user_id"), empty).attributes
    ]
    assert [(each.width, each.lanes, each.length) for each in found] == [
        (3, 3, 0), (2, 1, 2), (1, 1, 0),
    ]  # fmt: skip
    assert found[0].categories == ("x", "y")
