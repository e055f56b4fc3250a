"""The items of a list that are of a group."""

from __future__ import annotations

import pytest

from recommender_serving.experiments.guardrails import ItemGroup, ItemGroups
from tests.unit.recommender_serving.serving_samples import SHOP, vocabulary_of

ITEMS = vocabulary_of(SHOP).items


@pytest.mark.parametrize("categories", [{"a"}, {"a", "b"}, {"home", "a"}, {"unknown"}])
def test_items_with_one_of_the_categories_are_counted(categories: set[str]) -> None:
    (brand,) = (each for each in ITEMS.features if each.name == "brand")
    shown = [*range(12), 10**9]
    wanted = sum(
        bool(categories & set(brand.categories_of(ITEMS.rows.row_of(item)))) for item in shown
    )
    assert ItemGroups(ITEMS).count(shown, ItemGroup("brand", frozenset(categories))) == wanted
    assert wanted <= 12


def test_of_a_feature_that_the_version_does_not_have_nothing_is_known() -> None:
    assert ItemGroups(ITEMS).count([1, 2], ItemGroup("genre", frozenset("a"))) is None
