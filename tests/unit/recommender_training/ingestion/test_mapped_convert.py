"""Each text becomes its value, or a reason that names the likely cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.mapping import PartitionBy
from recommender_training.data import schema
from recommender_training.ingestion import convert
from recommender_training.ingestion.mapping import Interactions, Items, Users
from tests.mapped_files import NOW, START

NOBODY = pl.DataFrame(schema={"user_id": pl.Int64, "segment": pl.String})


def frame(fields: Mapping[str, str | None]) -> pl.DataFrame:
    texts = {f"raw_{name}": pl.Series([text], dtype=pl.String) for name, text in fields.items()}
    facts = {"line": [1], "row": ["row"], "reason": pl.Series([None], dtype=pl.String)}
    return pl.DataFrame(facts | texts)


def convert_event(
    mapping: dict[str, Any] | None = None, best_types: Sequence[str] = (), **fields: str | None
) -> Any:
    """The row as a dictionary, or the reason as text."""
    base: dict[str, Any] = {"files": "*", "user": "u", "item": "i", "timestamp": "t",
                            "value": "v"}  # fmt: skip
    table = Interactions.model_validate(base | (mapping or {}))
    row = {"user": "1", "item": "2", "timestamp": str(START), "value": "5"} | fields
    good, bad = convert.interactions(
        frame(row), table, PartitionBy.DAY, NOBODY, NOW, best_types=best_types
    )
    assert good.height + bad.height == 1
    return good.row(0, named=True) if good.height else bad["reason"].item()


def test_an_event_of_a_log_without_values_and_types_has_the_best_value() -> None:
    assert convert_event({"value": None}, value=None)["value"] == schema.MAX_VALUE
    assert convert_event(value=None) == "BadValue"


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("7", 7), (" 7 ", 7), ("+7", 7), ("007", 7), ("7.0", 7), ("7.", 7),
     ("9007199254740993", 9_007_199_254_740_993), ("9" * 18, 10**18 - 1)],
)  # fmt: skip
def test_an_id_is_a_whole_number(text: str, number: int) -> None:
    assert convert_event(user=text)["user_id"] == number
    assert convert_event(item=text)["item_id"] == number


@pytest.mark.parametrize(
    "text", [None, "", "-1", "7.5", "1e3", "９", "seven", "9" * 19, "7,0", "true", "7 8"]
)
def test_any_other_id_has_a_reason(text: str | None) -> None:
    assert convert_event(user=text) == "BadUserId"
    assert convert_event(item=text) == "BadItemId"


@pytest.mark.parametrize(
    ("text", "unit", "seconds"),
    [
        (str(START), "Seconds", START),
        (f"{START}.9", "Seconds", START),
        ("1.7672256e9", "Seconds", START),
        ("1", "Seconds", 1),
        (f"{START}999", "Milliseconds", START),
        ("2026-01-01", "ISO8601", START),
        ("2026-01-01T00:00Z", "ISO8601", START),
        ("2026-01-01 00:00:05", "ISO8601", START + 5),
        ("2026-01-01T00:00:05.999999Z", "ISO8601", START + 5),
        ("2026-01-01T00:00:05,5 Z", "ISO8601", START + 5),
        ("2026-01-01T05:30:00+05:30", "ISO8601", START),
        ("2025-12-31T16:00:00-0800", "ISO8601", START),
        ("2026-01-01T01:00:00+01", "ISO8601", START),
        ("2026-01-01 00:00:05 UTC", "ISO8601", START + 5),
        ("2026-01-01 00:00:05.25 utc", "ISO8601", START + 5),
        ("2026-01-01T00:00:05GMT", "ISO8601", START + 5),
        ("2026-01-01 01:00:05 +0100", "ISO8601", START + 5),
        ("2026/01/01 00:00:05", "ISO8601", START + 5),
        (f"{START}999999", "Microseconds", START),
        (f"{START}000000", "Microseconds", START),
    ],
)
def test_a_time_is_seconds_since_1970(text: str, unit: str, seconds: int) -> None:
    row = convert_event({"timestamp": "t", "timestampUnit": unit}, timestamp=text)
    assert row["timestamp"] == seconds


@pytest.mark.parametrize(
    ("text", "unit", "reason"),
    [
        (f"{START}000", "Seconds", "TimestampLooksLikeMilliseconds"),
        (f"{START}000000", "Seconds", "TimestampLooksLikeMicroseconds"),
        (f"{START}000000000", "Seconds", "TimestampLooksLikeNanoseconds"),
        (str(START), "Milliseconds", "TimestampLooksLikeSeconds"),
        (f"{START}000000", "Milliseconds", "TimestampLooksLikeMicroseconds"),
        (str(START), "Microseconds", "TimestampLooksLikeSeconds"),
        ("2026-01-01 00:00:05 PST", "ISO8601", "BadTimestamp"),
        ("2026-01-01T00:00:00Z", "Seconds", "TimestampLooksLikeISO8601"),
        (str(START), "ISO8601", "TimestampIsNumber"),
        (str(NOW + 86_401), "Seconds", "FutureTimestamp"),
        ("9999999999", "Seconds", "FutureTimestamp"),
        ("2099-01-01", "ISO8601", "FutureTimestamp"),
        ("2026-02-30", "ISO8601", "BadTimestamp"),
        ("01.02.2026", "ISO8601", "BadTimestamp"),
        ("0", "Seconds", "BadTimestamp"),
        ("-5", "Seconds", "BadTimestamp"),
        ("1e300", "Seconds", "BadTimestamp"),
        ("yesterday", "Seconds", "BadTimestamp"),
        (None, "Seconds", "BadTimestamp"),
        (None, "ISO8601", "BadTimestamp"),
    ],
)
def test_an_invalid_time_has_a_reason_that_names_the_likely_cause(
    text: str | None, unit: str, reason: str
) -> None:
    assert convert_event({"timestamp": "t", "timestampUnit": unit}, timestamp=text) == reason


@given(st.integers(convert._PLAUSIBLE_FROM, NOW + schema.CLOCK_TOLERANCE))
def test_a_plausible_time_is_accepted_only_in_its_own_unit(seconds: int) -> None:
    units = {"Seconds": str(seconds), "Milliseconds": f"{seconds}000"}
    for unit in units:
        for other, text in units.items():
            found = convert_event({"timestamp": "t", "timestampUnit": unit}, timestamp=text)
            if unit == other:
                assert found["timestamp"] == seconds
            else:
                assert found == f"TimestampLooksLike{other}"


@pytest.mark.parametrize(
    ("text", "bounds", "value"),
    [("1", (1, 5), 1.0), ("4.5", (1, 5), 4.5), ("5e0", (1, 5), 5.0), ("0", (0, 1), 1.0),
     ("1", (0, 1), 5.0), ("10", (1, 10), 5.0), ("-1", (-1, 1), 1.0), ("0", (-1, 1), 3.0)],
)  # fmt: skip
def test_a_value_is_scaled_to_the_range_of_the_models(
    text: str, bounds: tuple[float, float], value: float
) -> None:
    declared = {"value": "v", "lowest": bounds[0], "highest": bounds[1]}
    assert convert_event(declared, value=text)["value"] == value


@pytest.mark.parametrize("text", ["0.99", "5.01", "five", "inf", "NaN", "1e999", None, "yes"])
def test_a_value_out_of_range_has_a_reason(text: str | None) -> None:
    assert convert_event(value=text) == "BadValue"


@pytest.mark.parametrize(
    ("bounds", "values"),
    [({}, (1.0, 5.0)), ({"lowest": 0, "highest": 1}, (1.0, 5.0)),
     ({"lowest": -1, "highest": 1}, (3.0, 5.0))],
)  # fmt: skip
def test_a_boolean_value_counts_as_0_or_1(
    bounds: dict[str, float], values: tuple[float, float]
) -> None:
    for text, value in zip(("false", "True"), values, strict=True):
        assert convert_event(bounds, value=text)["value"] == value


TYPES = {"eventType": "e", "eventTypes": [{"type": "view", "value": 2}, {"type": "rate"}]}


@pytest.mark.parametrize(
    ("what", "value", "found"),
    [
        ("view", None, 2.0),
        ("view", "4", 4.0),
        ("rate", "4", 4.0),
        ("rate", None, "BadValue"),
        ("view", "nine", "BadValue"),
        ("click", "4", "UnknownEventType"),
        (None, "4", "UnknownEventType"),
    ],
)
def test_a_row_without_a_value_gets_that_of_its_type(
    what: str | None, value: str | None, found: Any
) -> None:
    got = convert_event(TYPES, event_type=what, value=value)
    assert (got if isinstance(got, str) else got["value"]) == found


@pytest.mark.parametrize(
    ("listed", "values"),
    [
        ([], {"buy": 5.0, "view": 1.0, "basket": 1.0}),
        (
            [{"type": "buy"}, {"type": "view"}, {"type": "basket", "value": 4}],
            {"buy": 5.0, "view": 1.0, "basket": 4.0},
        ),
    ],
)
def test_a_type_without_a_value_gets_the_best_one_if_it_is_positive(
    listed: list[dict[str, Any]], values: dict[str, float]
) -> None:
    mapping = {"value": None, "eventType": "e", "eventTypes": listed or None}
    for name, value in values.items():
        row = convert_event(mapping, ["buy"], event_type=name, value=None)
        assert (row["event_type"], row["value"]) == (name, value)


def test_all_types_are_accepted_if_none_is_listed() -> None:
    row = convert_event({"eventType": "e"}, event_type="anything")
    assert (row["event_type"], row["value"]) == ("anything", 5.0)


@pytest.mark.parametrize("name", ["event_type", "segment", "session"])
def test_a_text_too_long_for_its_column_has_a_reason(name: str) -> None:
    assert convert_event(None, **{name: "x" * 129}) == "TextTooLong"


def test_the_segment_of_the_row_overrides_that_of_the_user() -> None:
    table = Interactions.model_validate(
        {"files": "*", "user": "u", "item": "i", "timestamp": "t",
         "value": "v", "segment": "s"}
    )  # fmt: skip
    known = pl.DataFrame({"user_id": [1], "segment": ["25-34"]})
    for user, text, expected in (
        ("1", "gold", "gold"),
        ("1", None, "25-34"),
        ("2", "", "unknown"),
    ):
        row = {"user": user, "item": "2", "timestamp": str(START), "value": "5", "segment": text}
        good, _ = convert.interactions(frame(row), table, PartitionBy.DAY, known, NOW)
        assert good["segment"].item() == expected


def test_a_user_has_an_id_and_a_segment_or_a_reason() -> None:
    table = Users(files="*", id="id")
    for fields, found in (
        ({"id": "3"}, (3, None)),
        ({"id": "3", "segment": " gold "}, (3, "gold")),
        ({"id": "x"}, "BadUserId"),
        ({"id": None}, "BadUserId"),
        ({"id": "3", "segment": "x" * 65}, "TextTooLong"),
    ):
        good, bad = convert.users(frame(fields), table)
        rows = good.select("user_id", "segment").rows() or bad["reason"].to_list()
        assert rows == [found]


def test_an_item_has_an_id_and_a_title_or_a_reason() -> None:
    table = Items(files="*", id="id")
    for fields, found in (
        ({"id": "3"}, (3, None)),
        ({"id": "3", "title": "A, B"}, (3, "A, B")),
        ({"id": "a"}, "BadItemId"),
    ):
        good, bad = convert.items(frame(fields), table)
        rows = good.select("item_id", "title").rows() or bad["reason"].to_list()
        assert rows == [found]


FEATURES = [{"name": "device", "kind": "Categorical"}, {"name": "place", "kind": "Numeric"}]


def test_declared_features_are_columns_of_each_table() -> None:
    fields = {"id": "3", "features.device": "tv", "features.place": "2"}
    declared = {"files": "*", "id": "id", "features": FEATURES}
    users, _ = convert.users(frame(fields), Users.model_validate(declared))
    items, _ = convert.items(frame(fields), Items.model_validate(declared))
    for good in (users, items):
        assert good.select("device", "place").rows() == [("tv", 2.0)]
    event = convert_event(
        {"features": FEATURES}, **{"features.device": "tv", "features.place": "2"}
    )
    assert (event["device"], event["place"]) == ("tv", 2.0)


def test_a_bad_feature_quarantines_the_row_and_names_the_feature() -> None:
    fields = {"features.device": "tv", "features.place": "first"}
    assert convert_event({"features": FEATURES}, **fields) == "BadFeature:place"


@pytest.mark.parametrize("name", ["line", "row", "reason", "number", "raw_user", "of_user"])
def test_a_feature_may_have_the_name_of_a_working_column(name: str) -> None:
    declared = {"features": [{"name": name, "kind": "Categorical"}]}
    assert convert_event(declared, **{f"features.{name}": "x"})[name] == "x"
