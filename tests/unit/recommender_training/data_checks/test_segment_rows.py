"""Sessions by segment: one row each, with what its first event and its user said."""

from __future__ import annotations

import polars as pl
import pytest

from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data_checks import segment_rows
from recommender_training.data_checks.segment_bins import Bins, Groups

DAY = 86_400
DECLARED = FeatureSchema.model_validate(
    {
        "users": [
            {"name": "age", "kind": "Numeric"},
            {"name": "joined", "kind": "Timestamp"},
            {"name": "vector", "kind": "Embedding", "length": 2},
        ],
        "context": [
            {"name": "device", "kind": "Categorical", "segments": True},
            {"name": "tags", "kind": "MultiCategorical"},
            {"name": "asked", "kind": "Timestamp", "calendar": "HourOfDay"},
        ],
    }
)
EVENTS = pl.DataFrame(
    {
        "user_id": [1, 1, 1, 2],
        "timestamp": [10 * DAY, 10 * DAY + 60, 11 * DAY, 10 * DAY],
        "device": ["tv", "phone", "phone", None],
        "tags": ["a b", None, "a", None],
        "asked": [3600, 7200, 3600, None],
    }
)
USERS = pl.DataFrame({"user_id": [1], "age": [30.0], "joined": [0], "vector": ["3 4"]})


def test_a_session_has_the_values_of_its_first_event_and_those_of_its_user() -> None:
    found = segment_rows.sessions(EVENTS, USERS, DECLARED)
    assert found.select("user_id", "day", "device", "age", "vector").rows() == [
        (1, 10, "tv", 30.0, 5.0),
        (1, 11, "phone", 30.0, 5.0),
        (2, 10, None, None, None),
    ]
    assert found["tags"].to_list() == [["a", "b"], ["a"], None]
    assert found["asked"].to_list() == ["01", "01", None]


def test_an_age_that_grows_by_itself_is_not_watched_but_may_divide() -> None:
    assert "joined" not in segment_rows.sessions(EVENTS, USERS, DECLARED).columns
    users = [{"name": "joined", "kind": "Timestamp", "segments": True}]
    declared = FeatureSchema.model_validate({"users": users})
    found = segment_rows.sessions(EVENTS, USERS, declared)
    assert found["joined"].to_list() == [10.0, 11.0, None]
    assert segment_rows.watched(declared) == ()


@pytest.mark.parametrize("history", [False, True])
def test_a_user_with_a_history_has_the_values_of_the_time(history: bool) -> None:
    users = pl.DataFrame(
        {
            "user_id": [1, 1], "age": [30.0, 31.0], "joined": [0, 0], "vector": ["3 4", "3 4"],
            "valid_from": [None, 11 * DAY],
        }
    )  # fmt: skip
    users = users if history else users.tail(1).drop("valid_from")
    found = segment_rows.sessions(EVENTS, users, DECLARED)
    assert found["age"].to_list() == ([30.0, 31.0, None] if history else [31.0, 31.0, None])


def test_bins_are_those_of_the_reference() -> None:
    values = pl.Series([*map(float, range(100)), None])
    bins = Bins.of(DECLARED.users[0], values)
    assert (bins.count, len(bins.names)) == (10, 10)
    sessions, place = bins.place(pl.Series([None, -5.0, 45.0, 1e9]))
    assert sessions.tolist() == [1, 2, 3]
    assert (place.min(), place.max()) == (0, 9)
    assert bins.names[place[1]] == "40 to 50"


def test_a_list_counts_in_the_bin_of_each_of_its_values() -> None:
    bins = Bins.of(DECLARED.context[1], pl.Series([["a", "b"], ["a"], None]))
    sessions, place = bins.place(pl.Series([["b", "x", "y"], None, ["a"]]))
    assert bins.categories == ("a", "b")
    assert sorted(zip(sessions.tolist(), place.tolist(), strict=True)) == [(0, 1), (0, 2), (2, 0)]


def test_groups_name_the_sessions_without_a_value() -> None:
    texts = Groups.of(DECLARED.context[0], pl.Series(["tv", None, "tv", None]))
    assert texts.names == ("tv", "unknown", "other values")
    assert texts.place(pl.Series(["tv", None, "radio"])).tolist() == [0, 1, 2]
    numbers = Groups.of(DECLARED.users[0], pl.Series([1.0, 2.0, None]))
    assert numbers.names[-1] == "unknown"
    assert numbers.place(pl.Series([None, 1.0], dtype=pl.Float64)).tolist()[0] == numbers.count - 1


def test_a_column_without_any_value_has_one_bin() -> None:
    for empty in (pl.Series([None], dtype=pl.String), pl.Series([None], dtype=pl.Float64)):
        bins = Bins.of(DECLARED.users[0], empty)
        assert bins.count == 1
        assert bins.place(empty)[0].tolist() == []
    assert Bins.of(DECLARED.context[0], pl.Series([None], dtype=pl.String)).place(
        pl.Series(["a"])
    )[1].tolist() == [0]
