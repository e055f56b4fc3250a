"""The default segment of a user is the band or category that fairness judges first."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import schema
from recommender_training.ingestion import default_segment, raw


def filled(features: list[dict[str, Any]], rows: list[dict[str, Any]], known: int = 0) -> Any:
    """The segments of the rows; the first `known` rows are those of the lake."""
    declaration = FeatureSchema.model_validate({"users": features})
    columns = schema.users_schema(declaration)
    frame = pl.DataFrame(
        [{"user_id": place, "segment": None, **row} for place, row in enumerate(rows)],
        schema=columns,
    )
    found = default_segment.fill(frame[known:], frame[:known], declaration)
    assert found.schema == columns
    return found["segment"].to_list()


def test_the_users_of_movielens_are_in_age_bands() -> None:
    features = [each.model_dump(by_alias=True) for each in raw.declaration().users]
    rows = [{"age": age} for age in (0, 17, 18, 24.5, 56, 120, None)]
    assert filled(features, rows) == [
        "0-17", "0-17", "18-24", "18-24", "56+", "56+", "unknown",
    ]  # fmt: skip


def test_a_mapped_segment_stays() -> None:
    fair = {"name": "member", "kind": "Boolean", "fairness": True}
    rows: list[dict[str, Any]] = [
        {"member": "true", "segment": "gold"},
        {"member": "true"},
        {"member": None},
    ]
    assert filled([fair], rows) == ["gold", "true", "unknown"]


@pytest.mark.parametrize(
    "features",
    [
        [],
        [{"name": "a", "kind": "Categorical"}],
        [{"name": "a", "kind": "Numeric", "fairness": True}],
        [{"name": "a", "kind": "Numeric", "fairness": True, "bands": 4}],
    ],
)
def test_without_categories_or_edges_all_users_are_in_one_segment(
    features: list[dict[str, Any]],
) -> None:
    rows: list[dict[str, Any]] = [{}, {}]
    assert filled(features, rows) == ["unknown"] * 2


def test_a_feature_for_segments_alone_is_only_observed() -> None:
    features: list[dict[str, Any]] = [
        {"name": "a", "kind": "Categorical", "segments": True},
        {"name": "b", "kind": "Categorical", "fairness": True},
    ]
    assert filled(features, [{"a": "x", "b": "y"}, {"a": "x"}]) == ["y", "unknown"]
    assert filled(features[:1], [{"a": "x"}]) == ["unknown"]


def test_a_time_with_a_calendar_is_a_segment_if_it_has_few_categories() -> None:
    joined = {"name": "joined", "kind": "Timestamp", "fairness": True}
    rows: list[dict[str, Any]] = [{"joined": 0}, {"joined": 86_400}, {"joined": None}]
    weekday = joined | {"calendar": "DayOfWeek"}
    assert filled([weekday], rows) == ["Thursday", "Friday", "unknown"]
    hours: list[dict[str, Any]] = [{"joined": 3600 * hour} for hour in range(24)]
    assert set(filled([joined | {"calendar": "HourOfDay"}], hours)) == {"unknown"}
    assert filled([joined], rows) == ["unknown"] * 3


def test_only_the_first_fair_feature_counts() -> None:
    features: list[dict[str, Any]] = [
        {"name": "a", "kind": "Categorical"},
        {"name": "b", "kind": "Numeric", "fairness": True, "edges": [10]},
        {"name": "c", "kind": "Categorical", "fairness": True},
    ]
    assert filled(features, [{"a": "x", "b": 3.0, "c": "z"}]) == ["<10"]


@pytest.mark.parametrize(("known", "expected"), [(0, "c0"), (1, "unknown")])
def test_a_feature_with_more_categories_than_folders_is_no_segment(
    known: int, expected: str
) -> None:
    fair = {"name": "city", "kind": "Categorical", "fairness": True}
    here = [{"city": f"c{number}"} for number in range(default_segment.MAX_VALUES)]
    assert filled([fair], [{"city": "elsewhere"}] * known + here, known)[0] == expected


def test_a_time_makes_no_segment_since_its_band_changes() -> None:
    fair = {"name": "joined", "kind": "Timestamp", "edges": [30], "fairness": True}
    assert filled([fair], [{"joined": 5}, {"joined": None}]) == ["unknown", "unknown"]
