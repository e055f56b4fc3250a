"""The profile of a column follows its declaration."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.checks import CheckLevels
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import schema
from recommender_training.data_checks import columns, schema_check
from recommender_training.data_checks.finding import Finding, Findings

PLACES = {"users": "users", "items": "items", "interactions": "context"}


def facts(table: str, feature: dict[str, Any], *parts: list[Any]) -> dict[str, Any]:
    """The facts of a table with one declared feature, whose values arrive in parts."""
    declaration = FeatureSchema.model_validate({PLACES[table]: [feature]})
    kind = schema.TYPES[Feature.model_validate(feature).kind]
    others: dict[str, type[pl.DataType]] = dict.fromkeys(
        columns.numbers_of(table, FeatureSchema()), pl.Float64
    )
    others |= dict.fromkeys(columns.categories_of(table, FeatureSchema()), pl.String)
    found = columns.Table(table, {feature["name"]: str(kind())}, declaration)
    for part in parts:
        frame = pl.DataFrame({feature["name"]: part}, schema={feature["name"]: kind})
        found.add(frame.with_columns(pl.lit(None, of).alias(name) for name, of in others.items()))
    return found.facts()


AGE = {"name": "age", "kind": "Numeric"}


@given(st.lists(st.one_of(st.none(), st.integers(0, 120)), max_size=200))
def test_a_range_is_exact_up_to_four_digits(ages: list[int | None]) -> None:
    found = facts("users", AGE, ages[: len(ages) // 3], ages[len(ages) // 3 :])
    assert found["columns"]["age"]["nulls"] == pytest.approx(
        ages.count(None) / max(len(ages), 1), abs=1e-9
    )
    known = np.array([age for age in ages if age is not None])
    ranges = found["numbers"]["age"]
    if len(known) == 0:
        assert ranges is None
        return
    assert (ranges["least"], ranges["largest"]) == (known.min(), known.max())
    for name, share in (("low", 0.01), ("median", 0.5), ("high", 0.99)):
        assert ranges[name] == np.quantile(known, share, method="inverted_cdf"), name


@given(st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=50))
def test_a_range_of_any_numbers_is_exact_to_a_thousandth(values: list[float]) -> None:
    found = facts("users", AGE, values)["numbers"]["age"]
    assert found["least"] == pytest.approx(min(values), rel=1e-3)
    assert found["largest"] == pytest.approx(max(values), rel=1e-3)


def test_the_distinct_values_to_count_are_bounded() -> None:
    declaration = FeatureSchema.model_validate({"users": [AGE]})
    table = columns.Table("users", {"age": "Float64"}, declaration)
    table.add(pl.DataFrame({"age": np.linspace(1, 10, 50_000)}))
    assert len(table._atoms["age"]) == 9001  # 1.000 to 10.00


def test_a_time_is_counted_by_day() -> None:
    made = {"name": "made", "kind": "Timestamp", "unit": "Year"}
    found = facts("items", made, [-1, 86_399, 86_400])["numbers"]["made"]
    assert (found["least"], found["median"], found["largest"]) == (-86_400, 0, 86_400)


def test_a_time_with_a_calendar_is_counted_by_category() -> None:
    """So that a clock that is set to another zone shows, which no range of days does."""
    made = {"name": "made", "kind": "Timestamp", "calendar": "HourOfDay", "timeZone": "Asia/Tokyo"}
    found = facts("items", made, [0, 3599, None], [3600])
    assert found["categories"]["made"]["counts"] == {"09": 2, "10": 1}
    assert "made" not in found["numbers"]


def test_a_row_of_two_categories_counts_for_each_and_rare_ones_are_summed() -> None:
    genres = ["Drama", "Drama Comedy", None, *(f"g{n:03}" for n in range(300))]
    feature = {"name": "genre", "kind": "MultiCategorical", "maxCategories": 2}
    found = facts("items", feature, genres)["categories"]["genre"]
    assert next(iter(found["counts"])) == "Drama"
    assert found["counts"]["Drama"] == 2
    assert len(found["counts"]) == columns.MAX_CATEGORIES
    assert found["others"] + sum(found["counts"].values()) == 303
    assert (found["distinct"], found["beyond"]) == (302, 300)


def test_a_category_with_a_space_is_one_category() -> None:
    found = facts("interactions", {"name": "device", "kind": "Categorical"}, ["smart tv"] * 3)
    assert found["categories"]["device"]["counts"] == {"smart tv": 3}
    assert set(found["categories"]) == {"device", "segment", "event_type"}


def test_the_rarest_of_many_categories_are_only_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MAX_COUNTED", 4)
    parts = [["a", "b", "a"], ["c", "d", "a"], ["e", "b"]]
    found = facts("users", {"name": "city", "kind": "Categorical"}, *parts)["categories"]["city"]
    assert found["counts"]["a"] == 3
    assert sum(found["counts"].values()) + found["others"] == 8


def findings(feature: dict[str, Any], values: list[Any]) -> list[Finding]:
    found = Findings(CheckLevels())
    declaration = FeatureSchema.model_validate({"items": [feature]})
    content = {
        "declaration": declaration.model_dump(mode="json", by_alias=True),
        "tables": {"items": facts("items", feature, values)},
    }
    schema_check.check_schema(found, content)
    return found.all


BRAND = {"name": "brand", "kind": "Categorical", "column": "Marke"}


def test_a_feature_without_any_value_is_reported_with_its_column() -> None:
    (found,) = findings(BRAND, [None, None])
    assert (found.name, found.check, found.level) == ("items.brand", "features", "warn")
    for words in ("column='Marke'", "mapping.items.features"):
        assert words in found.remedy
    assert [each.level for each in findings(BRAND, [None, "x"])] == ["pass"]
    assert [each.level for each in findings(BRAND, [])] == ["pass"]


def test_categories_beyond_the_declared_number_are_reported_with_their_share() -> None:
    values = ["a", "a", "b", "c"]
    _, found = findings(BRAND | {"maxCategories": 2}, values)
    assert (found.name, found.level) == ("items.brand[categories]", "warn")
    assert found.value == "3 categories, 25.00% of the values beyond the 2 most frequent"
    assert [each.level for each in findings(BRAND | {"maxCategories": 3}, values)] == ["pass"] * 2
