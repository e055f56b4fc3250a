"""A value of a feature has one code for the models and one group for the popularity lists."""

from __future__ import annotations

import math

import pytest

from recommender_contract.features import Kind
from recommender_serving.domain.features import UNKNOWN, Feature, Place

AGE = Feature("age", Place.USER, Kind.NUMERIC, edges=(18.0, 50.0))
DEVICE = Feature("device", Place.CONTEXT, Kind.CATEGORICAL, {"desktop": 0, "phone": 1})


@pytest.mark.parametrize(
    ("value", "group"), [(17.9, 0), (18, 1), (49.9, 1), (50.0, 2), (None, UNKNOWN)]
)
def test_a_number_is_its_own_code_and_belongs_to_the_band_that_it_begins(
    value: float | None, group: int
) -> None:
    assert AGE.group(value) == group
    assert AGE.groups == 3
    if value is None:
        assert math.isnan(AGE.codes(value)[0])
    else:
        assert AGE.codes(value) == (value,)
        assert AGE.seen(value, 0) == (value,)


def test_a_category_is_its_index_and_an_unknown_one_has_none() -> None:
    assert (DEVICE.codes("phone"), DEVICE.group("phone"), DEVICE.groups) == ((1,), 1, 2)
    assert math.isnan(DEVICE.codes("watch")[0])
    assert DEVICE.group("watch") == UNKNOWN
    assert [DEVICE.seen(name, 0) for name in ("phone", "watch")] == [("phone",), (None,)]


def test_several_categories_are_their_known_indices_in_order_and_each_once() -> None:
    tags = Feature("tags", Place.USER, Kind.MULTI_CATEGORICAL, {"a": 0, "b": 1, "c": 2}, width=4)
    found = tags.codes(("c", "new", "a", "c"))
    assert list(found[:2]) == [0, 2]
    assert all(map(math.isnan, found[2:]))
    assert (len(found), len(tags.codes(None)), tags.groups) == (4, 4, 0)
    assert tags.seen(("c", "new", "other", "c"), 0) == ["c", None]
    assert tags.group(("a",)) == UNKNOWN


def test_an_embedding_is_its_numbers_and_drift_counts_its_length() -> None:
    vector = Feature("vector", Place.CONTEXT, Kind.EMBEDDING, width=2)
    assert vector.codes((3.0, -4.0)) == [3.0, -4.0]
    assert vector.seen((3.0, -4.0), 0) == (5.0,)
    assert all(map(math.isnan, vector.codes(None)))


def test_a_feature_says_where_a_request_gives_it() -> None:
    assert (AGE.path, DEVICE.path) == ("user.age", "context.device")
