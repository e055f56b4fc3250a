"""The vocabulary in memory: first categories of items, in columns as narrow as they can be."""

from __future__ import annotations

import pytest

from recommender_serving.artifact.vocabulary import CATEGORICAL, NUMERIC
from tests.unit.recommender_serving.serving_samples import SHOP, VOCABULARY, vocabulary_of


@pytest.mark.parametrize(
    ("count", "width"), [(0, 1), (127, 1), (128, 2), (32_767, 2), (32_768, 4), (100_000, 4)]
)
def test_a_column_of_items_is_as_narrow_as_its_categories_allow(count: int, width: int) -> None:
    feature = {
        "name": "brand",
        "categories": [str(number) for number in range(count)],
        "primary": [count - 1, -1],
    }
    items = vocabulary_of(VOCABULARY | {"items": {"ids": [9, 7], "features": [feature]}}).items
    assert items.features[0].primary.itemsize == width
    assert items.first_categories(9) == {"brand": str(count - 1) if count else None}
    assert items.first_categories(7) == {"brand": None}
    assert items.first_categories(8) == {"brand": None}


def test_a_catalogue_needs_no_features() -> None:
    items = vocabulary_of(VOCABULARY | {"items": {"ids": [9], "features": []}}).items
    assert items.first_categories(9) == {}


@pytest.mark.parametrize(
    ("written", "read"),
    [({}, None), ({"repeatAfterSeconds": 0}, 0), ({"repeatAfterSeconds": 86_400}, 86_400)],
)
def test_items_come_again_only_where_the_version_says_so(
    written: dict[str, int], read: int | None
) -> None:
    assert vocabulary_of(VOCABULARY | written).repeat_after == read


@pytest.mark.parametrize(("written", "read"), [({}, False), ({"trends": True}, True)])
def test_models_read_trends_only_where_the_version_says_so(
    written: dict[str, bool], *, read: bool
) -> None:
    assert vocabulary_of(VOCABULARY | written).trends is read


def test_drift_features_are_those_that_requests_and_answers_have() -> None:
    assert vocabulary_of(SHOP).drift_kinds() == {
        "member": CATEGORICAL,
        "plan": CATEGORICAL,
        "spend": NUMERIC,
        "device": CATEGORICAL,
        "logged_in": CATEGORICAL,
        "hour": NUMERIC,
        "last_brand": CATEGORICAL,
        "last_aisle": CATEGORICAL,
        "session_length": NUMERIC,
        "mean_value": NUMERIC,
        "top_score": NUMERIC,
    }
