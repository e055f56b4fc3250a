"""A feature that is read in another way since is not compared with what it was before."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data_checks.changed_encodings import changed_encodings

TIME = {"name": "at", "kind": "Timestamp"}


def profile(**tables: list[dict[str, Any]]) -> dict[str, Any]:
    declared = FeatureSchema.model_validate(tables)
    return {"declaration": declared.model_dump(mode="json", by_alias=True)}


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (TIME, TIME | {"calendar": "Month"}),
        (TIME | {"calendar": "Month"}, TIME | {"calendar": "HourOfDay"}),
        (TIME | {"calendar": "Month"}, TIME | {"calendar": "Month", "timeZone": "Asia/Tokyo"}),
        (TIME, {"name": "at", "kind": "Numeric"}),
        ({"name": "at", "kind": "Categorical"},
         {"name": "at", "kind": "Categorical", "hashBuckets": 9}),
        ({"name": "at", "kind": "Embedding", "length": 2},
         {"name": "at", "kind": "Embedding", "length": 3}),
    ],
)  # fmt: skip
def test_values_that_mean_something_else_are_named(
    before: dict[str, Any], now: dict[str, Any]
) -> None:
    found = changed_encodings(profile(context=[now]), profile(context=[before]))
    assert found == {"at"}
    of_items = changed_encodings(profile(items=[now]), profile(items=[before]))
    assert of_items == {"at", "last_at"}


def test_a_feature_that_only_one_of_both_declares_is_named() -> None:
    assert changed_encodings(profile(users=[TIME]), profile()) == {"at"}
    assert changed_encodings(profile(), profile(users=[TIME])) == {"at"}


def test_settings_of_models_and_other_columns_change_no_meaning() -> None:
    before, now = TIME | {"bands": 3}, TIME | {"bands": 4, "column": "seen", "fairness": True}
    assert changed_encodings(profile(users=[now]), profile(users=[before])) == frozenset()


def test_no_time_zone_is_utc() -> None:
    before = TIME | {"calendar": "Month"}
    now = before | {"timeZone": "UTC"}
    assert changed_encodings(profile(users=[now]), profile(users=[before])) == frozenset()
    assert changed_encodings(profile(users=[before]), profile(users=[now])) == frozenset()
