"""A value of a feature has one code for the models and one group for the popularity lists."""

from __future__ import annotations

import math

import pytest

from recommender_serving.domain.features import UNKNOWN, Feature, Kind, Place

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
        assert math.isnan(AGE.code(value))
    else:
        assert AGE.code(value) == value
        assert AGE.knows(value)


def test_a_category_is_its_index_and_an_unknown_one_has_none() -> None:
    assert (DEVICE.code("phone"), DEVICE.group("phone"), DEVICE.groups) == (1, 1, 2)
    assert math.isnan(DEVICE.code("watch"))
    assert DEVICE.group("watch") == UNKNOWN
    assert [DEVICE.knows(name) for name in ("phone", "watch")] == [True, False]


def test_a_feature_says_where_a_request_gives_it() -> None:
    assert (AGE.path, DEVICE.path) == ("user.age", "context.device")
