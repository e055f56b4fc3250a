"""Each text of a declared feature becomes its value, or a reason that names the feature."""

from __future__ import annotations

import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.config.feature import Feature
from recommender_training.data import schema
from recommender_training.ingestion import feature_values


def found(text: str | None, kind: str, **settings: Any) -> Any:
    """The value of a feature of users, or the reason as a list."""
    return found_of(text, kind, settings, of_requests=True)


def found_of(text: str | None, kind: str, settings: dict[str, Any], *, of_requests: bool) -> Any:
    """The value of a feature of users or of items, or the reason as a list."""
    feature = Feature.model_validate({"name": "thing", "kind": kind, **settings})
    texts = {"raw_features.thing": [text], "reason": [None]}
    frame = pl.DataFrame(texts, schema={"raw_features.thing": pl.String, "reason": pl.String})
    frame = feature_values.read_feature(frame, [feature], of_requests=of_requests)
    values = frame.select(feature_values.columns([feature]))
    assert values.schema == {"thing": schema.TYPES[feature.kind]}
    reason = frame["reason"].item()
    return values.item() if reason is None else [reason]


BAD, LONG = ["BadFeature:thing"], ["TextTooLong:thing"]


@pytest.mark.parametrize("kind", ["Categorical", "MultiCategorical", "Boolean", "Numeric",
                                  "Timestamp"])  # fmt: skip
def test_a_missing_value_is_null(kind: str) -> None:
    assert found(None, kind) is None
    assert found("-1", kind, missing=["?", "-1"]) is None
    assert found("?", kind, missing=["?", "-1"]) is None


@pytest.mark.parametrize(
    ("text", "value"), [("a b", "a b"), ("7", "7"), ("é" * 64, "é" * 64), ("x" * 65, LONG)]
)
def test_a_category_is_its_text(text: str, value: Any) -> None:
    assert found(text, "Categorical") == value


@pytest.mark.parametrize(
    ("text", "separator", "value"),
    [
        ("War| Science  Fiction ||", "|", "War Science-Fiction"),
        ("War Drama", " ", "War Drama"),
        ("War Drama", None, "War-Drama"),
        ("War\x1fDrama Two\x1f", None, "War Drama-Two"),
        ("War\x1fDrama|War", "|", "War Drama"),
        ("a::b", "::", "a b"),
        ("|", "|", None),
        ("x" * 64 + "|" + "y" * 64, "|", "x" * 64 + " " + "y" * 64),
        ("a|" + "x" * 65, "|", LONG),
    ],
)
def test_categories_are_separated_by_one_space_and_unique(
    text: str, separator: str | None, value: Any
) -> None:
    settings = {} if separator is None else {"separator": separator}
    assert found(text, "MultiCategorical", **settings) == value


@pytest.mark.parametrize("text", ["a\x1f\x1e", "\x1e\x1fa", "\x1e"])
def test_a_null_in_a_list_is_refused_of_requests_and_left_out_of_items(text: str) -> None:
    assert found(text, "MultiCategorical") == ["NullInList:thing"]
    of_items = found_of(text, "MultiCategorical", {}, of_requests=False)
    assert of_items == ("a" if "a" in text else None)
    assert found(text, "Embedding", length=text.count("\x1f") + 1) == BAD


MANY = ["TooManyCategories:thing"]


@pytest.mark.parametrize(
    ("count", "settings", "value"),
    [
        (16, {}, None),
        (17, {}, MANY),
        (2, {"maxPerRow": 2}, None),
        (3, {"maxPerRow": 2}, MANY),
        (64, {"maxPerRow": 64}, None),
    ],
)
def test_a_row_of_users_or_events_has_as_many_categories_as_a_request_may(
    count: int, settings: dict[str, Any], value: Any
) -> None:
    words = [f"w{place}" for place in range(count)]
    text, settings = "|".join([*words, words[0]]), {"separator": "|", **settings}
    assert found(text, "MultiCategorical", **settings) == (value or " ".join(words))
    of_items = found_of(text, "MultiCategorical", settings, of_requests=False)
    assert of_items == " ".join(words)


@pytest.mark.parametrize(
    ("texts", "value"),
    [
        (("true", "True", "T", "yes", "Y", "1", "1.0"), "true"),
        (("false", "FALSE", "f", "no", "n", "0", "0.0"), "false"),
        (("2", "maybe", "-1", "on"), BAD),
    ],
)
def test_a_boolean_is_true_or_false(texts: tuple[str, ...], value: Any) -> None:
    for text in texts:
        assert found(text, "Boolean") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("7", 7.0), ("-2.5", -2.5), ("+.5", 0.5), ("1e3", 1000.0), ("10", 10.0), ("-5", -5.0),
     ("10.01", BAD), ("-5.01", BAD), ("NaN", BAD), ("inf", BAD), ("1e999", BAD), ("7,5", BAD),
     ("９", BAD), ("seven", BAD), ("1e3 ", BAD)],
)  # fmt: skip
def test_a_number_is_finite_and_in_its_range(text: str, value: Any) -> None:
    bounds = {} if text == "1e3" else {"minimum": -5, "maximum": 10}
    assert found(text, "Numeric", **bounds) == value


def test_a_number_beyond_single_precision_is_bad() -> None:
    assert found("1e30", "Numeric") == 1e30
    assert found("-1.1e30", "Numeric") == BAD


@pytest.mark.parametrize(
    ("text", "unit", "seconds"),
    [
        ("1767225600", "Seconds", 1_767_225_600),
        ("-1.5", "Seconds", -2),
        ("1767225600999", "Milliseconds", 1_767_225_600),
        ("-1", "Milliseconds", -1),
        ("2026-01-01T01:00+01:00", "ISO8601", 1_767_225_600),
        ("1969-12-31", "ISO8601", -86_400),
        ("1970", "Year", 0),
        ("1999.0", "Year", 915_148_800),
        ("1900", "Year", -2_208_988_800),
        ("1", "Year", -62_135_596_800),
        ("9999", "Year", 253_370_764_800),
        ("0", "Year", BAD),
        ("10000", "Year", BAD),
        ("1999.5", "Year", BAD),
        ("nineteen", "Year", BAD),
        ("1e15", "Seconds", BAD),
        ("1e300", "Milliseconds", BAD),
        ("2026-02-30", "ISO8601", BAD),
        ("2026-01-01", "Seconds", BAD),
    ],
)
def test_a_time_is_in_seconds_since_1970(text: str, unit: str, seconds: Any) -> None:
    assert found(text, "Timestamp", unit=unit) == seconds
    if unit == "Seconds":
        assert found(text, "Timestamp") == seconds


@given(st.integers(1, 9999))
def test_a_year_is_the_first_second_of_the_year(year: int) -> None:
    first = datetime.datetime(year, 1, 1, tzinfo=datetime.UTC)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    assert found(str(year), "Timestamp", unit="Year") == (first - epoch).days * 86_400


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 2.5 -3", "1.0 2.5 -3.0"),
        ("[1, 2.50,  -3e0]", "1.0 2.5 -3.0"),
        ("1;2.5;-3", "1.0 2.5 -3.0"),
        ("1\x1f2.5\x1f-3", "1.0 2.5 -3.0"),
        ("(1 , 2.5 , -3)", "1.0 2.5 -3.0"),
        ("1 2.5", BAD),
        ("1 2.5 3 4", BAD),
        ("1 2.5 NaN", BAD),
        ("1 2.5 inf", BAD),
        ("1 2.5 1e31", BAD),
        ("1\x1f\x1f3", BAD),
        ("1 2.5 x", BAD),
        ("[]", BAD),
    ],
)
def test_an_embedding_has_as_many_numbers_as_declared(text: str, value: Any) -> None:
    assert found(text, "Embedding", length=3) == value


FLOAT = st.floats(-1e30, 1e30, allow_nan=False).map(lambda number: number + 0.0)


@given(st.lists(FLOAT, min_size=1, max_size=4))
def test_the_numbers_of_an_embedding_are_exact(numbers: list[float]) -> None:
    text = found(" ".join(map(repr, numbers)), "Embedding", length=len(numbers))
    assert [float(number) for number in text.split(" ")] == numbers


def test_the_first_bad_feature_is_the_reason() -> None:
    features = [Feature.model_validate({"name": name, "kind": "Numeric"}) for name in ("a", "b")]
    columns = {"raw_features.a": ["x"], "raw_features.b": ["y"], "reason": [None]}
    frame = feature_values.read_feature(pl.DataFrame(columns), features)
    assert frame["reason"].to_list() == ["BadFeature:a"]
