"""Declared features as numbers: categories, bands, embeddings, and what is unknown."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.features import BANDS, Kind
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureSchema, FeatureTable
from recommender_training.data import feature_encoding, item_columns, schema
from recommender_training.data.feature_encoding import Attribute, Block, FeatureEncoding
from recommender_training.data.items import Items
from tests import small_data

NAMES = st.text("abcxyz", min_size=1, max_size=3)


def of_users(feature: dict[str, Any], values: Sequence[Any]) -> tuple[Attribute, pl.DataFrame]:
    """A feature of users with these values, and the table."""
    declared = FeatureSchema.model_validate({"users": [{"name": "it", **feature}]})
    columns = schema.users_schema(declared)
    rows = [{"user_id": row, "it": value, "segment": "s"} for row, value in enumerate(values)]
    users = pl.DataFrame(rows, schema=columns)
    none = pl.DataFrame(schema=schema.items_schema(declared))
    events = pl.LazyFrame(schema=schema.interactions_schema(declared))
    return FeatureEncoding.of(declared, users, none, events).attributes[0], users


def of_items(feature: dict[str, Any], values: Sequence[Any]) -> Items:
    """The items 0 and on with these values of a feature."""
    declared = FeatureSchema.model_validate({"items": [{"name": "it", **feature}]})
    items = [{"id": row, "it": value} for row, value in enumerate(values)]
    return small_data.build([(1, 0, 5.0, 0)], [{"id": 1}], items, declared).items


def unknown_to_none(codes: np.ndarray[Any, Any]) -> list[float | None]:
    return [None if math.isnan(code) else code for code in codes.tolist()]


def test_the_most_frequent_categories_are_known_and_ties_fall_by_name() -> None:
    values = ["d", "d", "d", "c", "b", "b", "a", None, None, None, None]
    attribute, users = of_users({"kind": "Categorical", "maxCategories": 3}, values)
    assert attribute.categories == ("a", "b", "d"), "a and c are as frequent; listed by name"
    assert unknown_to_none(attribute.codes(users)) == [2, 2, 2, None, 1, 1, 0, *[None] * 4]
    assert attribute.buckets == 4
    assert attribute.limits == (0, 2)
    assert math.isnan(attribute.served)


@given(st.lists(st.none() | NAMES, max_size=30), st.integers(1, 5))
def test_every_known_category_is_at_least_as_frequent_as_every_other(
    values: list[str | None], most: int
) -> None:
    attribute, _ = of_users({"kind": "Categorical", "maxCategories": most}, values)
    present = [value for value in values if value is not None]
    expected = sorted(set(present), key=lambda name: (-present.count(name), name))[:most]
    assert attribute.categories == tuple(sorted(expected))


def test_without_a_bound_of_its_own_a_feature_has_the_common_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feature_encoding, "MAX_CATEGORIES", 2)
    assert of_users({"kind": "Categorical"}, ["a", "b", "b", "c"])[0].categories == ("a", "b")


def test_a_boolean_has_both_values_even_where_one_is_never_seen() -> None:
    attribute, users = of_users({"kind": "Boolean"}, ["true", None, "true"])
    assert attribute.categories == ("false", "true")
    assert unknown_to_none(attribute.codes(users)) == [1, None, 1]
    others = pl.DataFrame({"it": ["false", "yes", None]})
    assert unknown_to_none(attribute.codes(others)) == [0, None, None]


def test_a_number_is_itself_and_its_bands_are_the_declared_ones() -> None:
    feature = {"kind": "Numeric", "minimum": 0, "maximum": 120, "edges": [18, 25]}
    attribute, users = of_users(feature, [17.5, 18.0, None, 99.0])
    assert attribute.categories == ("0-17", "18-24", "25+")
    assert attribute.edges == (18, 25)
    assert attribute.limits == (0, 120)
    assert unknown_to_none(attribute.codes(users)) == [17.5, 18, None, 99]
    free, _ = of_users({"kind": "Numeric", "edges": [1]}, [])
    assert free.limits == (-math.inf, math.inf)


@given(st.lists(st.floats(-1e6, 1e6, width=32), max_size=60), st.none() | st.integers(2, 8))
def test_without_edges_the_bands_are_quantiles_and_none_is_empty(
    values: list[float], bands: int | None
) -> None:
    feature = {"kind": "Numeric", **({} if bands is None else {"bands": bands})}
    attribute, _ = of_users(feature, [*values, None])
    edges = attribute.edges
    assert all(a < b for a, b in itertools.pairwise(edges))
    assert len(attribute.categories) == len(edges) + 1 <= (bands or BANDS)
    held = np.bincount(np.searchsorted(np.array(edges), values, side="right"), minlength=1)
    assert not values or (held > 0).all()


@given(st.lists(st.floats(-10, 1e6, width=32), max_size=60), st.integers(2, 8))
def test_the_bands_of_a_logarithm_increase_and_none_is_empty(
    values: list[float], bands: int
) -> None:
    feature = {"kind": "Numeric", "bands": bands, "transform": "Log"}
    attribute, users = of_users(feature, [*values, None])
    edges = attribute.edges
    assert all(a < b for a, b in itertools.pairwise(edges))
    assert len(attribute.categories) == len(edges) + 1 <= bands
    assert all(edge > 0 for edge in edges), "what is not positive is in the lowest band"
    known = attribute.codes(users)[:-1]
    held = np.bincount(
        np.searchsorted(np.array(edges, dtype=np.float32), known, side="right"), minlength=1
    )
    assert not values or (held > 0).all()


def test_declared_edges_leave_nothing_to_a_transform() -> None:
    with pytest.raises(ValueError, match="edges and transform exclude each other: remove one"):
        of_users({"kind": "Numeric", "edges": [1], "transform": "Log"}, [])


def test_the_bands_of_a_logarithm_are_equally_wide_and_outliers_stretch_none() -> None:
    amounts = [*np.geomspace(1, 1000, 998).tolist(), 1e-6, 1e9]
    attribute, _ = of_users({"kind": "Numeric", "bands": 3, "transform": "Log"}, amounts)
    assert attribute.edges == pytest.approx((10, 100), rel=0.1)
    none, _ = of_users({"kind": "Numeric", "transform": "Log"}, [0.0, -3.0, None])
    assert none.categories == ("all",), "zero and less have no logarithm"


def test_quantiles_share_out_the_values() -> None:
    attribute, _ = of_users({"kind": "Numeric", "bands": 4}, [float(n) for n in range(400)])
    held = np.bincount(np.searchsorted(np.array(attribute.edges), np.arange(400), side="right"))
    assert held.tolist() == pytest.approx([100] * 4, abs=1)
    same, _ = of_users({"kind": "Numeric", "bands": 4}, [7.0] * 5)
    assert same.edges == (), "one value is one band"
    assert same.categories == ("all",)


FEATURES = st.sampled_from(
    [
        {"kind": "Categorical", "maxCategories": 2},
        {"kind": "Categorical"},
        {"kind": "Boolean"},
        {"kind": "Numeric", "edges": [0.5, 2]},
    ]
)


@given(feature=FEATURES, data=st.data())
def test_what_is_stated_is_the_value_of_the_table_or_null_where_it_is_unknown(
    feature: dict[str, Any], data: st.DataObject
) -> None:
    kinds = {
        "Categorical": NAMES,
        "Boolean": st.sampled_from(["false", "true"]),
        "Numeric": st.floats(-100, 100, width=32),
    }
    values = data.draw(st.lists(st.none() | kinds[feature["kind"]], min_size=1, max_size=20))
    attribute, users = of_users(feature, values)
    codes = attribute.codes(users)
    stated = attribute.stated(codes)
    known = [
        value if attribute.banded or value in attribute.categories else None for value in values
    ]
    assert stated.to_list() == known
    again = attribute.codes(pl.DataFrame({"it": stated}))
    np.testing.assert_array_equal(again, codes)


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ({"kind": "Categorical", "servedAs": "web"}, 1),
        ({"kind": "Categorical", "servedAs": "fax"}, None),  # no event has it: unknown
        ({"kind": "Boolean", "servedAs": "false"}, 0),
        ({"kind": "Numeric", "edges": [2], "servedAs": "1"}, 1),
        ({"kind": "Numeric", "edges": [2], "servedAs": "-2.5"}, -2.5),
        ({"kind": "Categorical"}, None),
    ],
)
def test_what_is_served_is_the_code_of_the_declared_value(
    feature: dict[str, Any], expected: float | None
) -> None:
    declared = Feature.model_validate({"name": "it", **feature})
    names = {Kind.CATEGORICAL: ("app", "web"), Kind.BOOLEAN: feature_encoding.BOOLEANS}
    attribute = Attribute(declared, FeatureTable.CONTEXT, names.get(declared.kind, ("<2", "2+")))
    assert unknown_to_none(np.array([attribute.served])) == [expected]


def test_values_of_the_context_are_those_of_the_interactions() -> None:
    declared = FeatureSchema.model_validate(
        {"context": [{"name": "device", "kind": "Categorical", "maxCategories": 1}]}
    )
    events: list[small_data.Event] = [
        (1, 1, 5.0, 0, {"device": "web"}),
        (1, 1, 5.0, 1, {"device": "app"}),
        (1, 1, 5.0, 2, {"device": "web"}),
        (1, 1, 5.0, 3),
    ]
    data = small_data.build(events, [{"id": 1}], [{"id": 1}], declared)
    assert data.attributes[0].categories == ("web",)
    assert unknown_to_none(data.events.context_of(np.arange(4))[:, 0]) == [0, None, 0, None]


def test_an_item_has_each_of_its_known_categories_and_the_first_of_them() -> None:
    feature = {"kind": "MultiCategorical", "separator": " ", "maxCategories": 2}
    items = of_items(feature, ["War Drama", "Drama", None, "Rare", "Rare War", "War"])
    (block,) = items.blocks
    assert block.categories == ("Drama", "War")
    assert items.tags.toarray().tolist() == [[1, 1], [1, 0], [0, 0], [0, 0], [0, 1], [0, 1]]
    assert items.first[0].tolist() == [1, 0, -1, -1, 1, 1]
    assert items.tag_names == ("it:Drama", "it:War")
    shares = items.listed.shares
    assert shares.sum(1).tolist() == [1, 1, 0, 0, 1, 1]
    places = [row[row < 2].tolist() for row in items.listed.places]
    assert places == [[0, 1], [0], [], [], [1], [1]]


@pytest.mark.parametrize(
    ("feature", "values", "expected"),
    [
        ({"kind": "Categorical"}, ["b", "a b", None], [1, 0, -1]),
        ({"kind": "Boolean"}, ["true", "false", None], [1, 0, -1]),
        ({"kind": "Numeric", "edges": [1, 2]}, [2.0, 0.5, None], [2, 0, -1]),
    ],
)
def test_an_item_has_one_category_or_band_of_the_other_kinds(
    feature: dict[str, Any], values: list[Any], expected: list[int]
) -> None:
    items = of_items(feature, values)
    assert items.first[0].tolist() == expected
    hot = [[float(place == code) for place in range(items.tags.shape[1])] for code in expected]
    assert items.tags.toarray().tolist() == hot


def test_features_of_items_follow_one_another_among_the_columns() -> None:
    declared = FeatureSchema.model_validate(
        {"items": [{"name": "one", "kind": "Categorical"}, {"name": "two", "kind": "Boolean"}]}
    )
    items = [{"id": 0, "one": "x", "two": "true"}, {"id": 1, "one": "y"}]
    found = small_data.build([(1, 0, 5.0, 0)], [{"id": 1}], items, declared).items
    one, two = found.blocks
    assert (one.columns, two.columns) == (slice(0, 2), slice(2, 4))
    assert found.tags.toarray().tolist() == [[1, 0, 0, 1], [0, 1, 0, 0]]
    assert found.listed.ends == (1, 2)


def test_an_embedding_that_is_missing_is_zeros_and_a_time_is_unknown() -> None:
    items = of_items({"kind": "Embedding", "length": 3}, ["1 -2.5 1e-3", None])
    expected = np.array([[1, -2.5, 1e-3], [0, 0, 0]], dtype=np.float32)
    np.testing.assert_array_equal(items.embeddings, expected)
    timed = of_items({"kind": "Timestamp"}, [-86_400, None])
    assert unknown_to_none(timed.times[:, 0]) == [-86_400, None]
    assert timed.time_names == ("it",)
    assert timed.blocks == ()


def test_a_number_of_items_is_a_column_beside_its_bands_unless_all_are_alike() -> None:
    priced = of_items({"kind": "Numeric", "minimum": 0, "edges": [10, 20]}, [0, 5, 15, 90, None])
    assert priced.position_names == ("it:number",)
    root = math.sqrt(3)
    np.testing.assert_allclose(priced.positions[:, 0], [-root, -root / 2, root / 2, root, 0], 1e-6)
    assert of_items({"kind": "Numeric"}, [7, 7, None]).positions.shape == (3, 0)
    assert of_items({"kind": "Numeric", "edges": [10]}, [7, 70]).positions.shape == (2, 0)
    assert of_items({"kind": "Timestamp"}, [7, 70]).positions.shape == (2, 0)
    assert priced.take(np.array([3])).positions.tolist() == [[pytest.approx(root)]]


def test_without_features_there_are_no_columns() -> None:
    found = feature_encoding.values((), pl.DataFrame({"user_id": [1, 2]}))
    assert found.shape == (2, 0)
    blocks: tuple[Block, ...] = ()
    listed, first = item_columns.listed(blocks, pl.DataFrame({"item_id": [1, 2]}))
    assert first == ()
    assert listed.places.shape == listed.shares.shape == (2, 0)


DAY = feature_encoding.SECONDS_A_DAY
SIGN_UP: dict[str, Any] = {"users": [{"name": "it", "kind": "Timestamp", "bands": 4}]}


def test_bands_of_a_time_of_users_share_out_its_ages_at_their_events() -> None:
    declared = FeatureSchema.model_validate(SIGN_UP)
    events: list[small_data.Event] = [(1, 1, 5.0, (10 + day) * DAY) for day in range(400)]
    users = [{"id": 1, "it": 10 * DAY}, {"id": 2, "it": 0}, {"id": 3}]
    (attribute,) = small_data.build(events, users, [{"id": 1}], declared).attributes
    edges = (80, 160, 239)  # of the first 320 days, which are the training window
    assert attribute.edges == edges, "those of users without an event do not count"
    assert attribute.categories == ("0-79", "80-159", "160-238", "239+")


@given(st.lists(st.none() | st.integers(-(10**9), 4 * 10**9), min_size=1, max_size=9))
def test_a_time_is_in_days_and_stated_to_two_minutes(seconds: list[int | None]) -> None:
    attribute, users = of_users({"kind": "Timestamp", "edges": [30]}, seconds)
    codes = attribute.codes(users)
    expected = [math.nan if each is None else each / DAY for each in seconds]
    np.testing.assert_array_equal(codes, np.array(expected, dtype=np.float32))
    stated = attribute.stated(codes)
    for each, known in zip(stated.to_list(), seconds, strict=True):
        assert (each is None) == (known is None)
        assert known is None or abs(each - known) <= 170
    np.testing.assert_array_equal(attribute.codes(pl.DataFrame({"it": stated})), codes)


TIME = {"name": "it", "kind": "Timestamp"}


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"users": [TIME | {"coldStart": True}]}, "coldStart needs one value that time does not"),
        ({"users": [TIME | {"edges": [0, 3]}]}, "edges must be above minimum"),
        ({"users": [TIME | {"minimum": 1}]}, "minimum is a setting of Numeric, not of Timestamp"),
        ({"context": [TIME | {"servedAs": "3"}]}, "servedAs='3': no time fits"),
        (
            {"items": [TIME | {"edges": [3]}]},
            "items.it: edges of a Timestamp is a setting of users",
        ),
        ({"items": [TIME | {"fairness": True}]}, "items.it: fairness of a Timestamp"),
    ],
)
def test_settings_that_a_time_cannot_have_are_refused_by_name(
    declared: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        FeatureSchema.model_validate(declared)
