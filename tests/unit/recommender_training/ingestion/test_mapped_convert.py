"""Each text becomes its value, or a reason that names the likely cause."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.data import schema
from recommender_training.ingestion import convert
from recommender_training.ingestion.mapping import EventType, Interactions, Items, PartitionBy
from tests.mapped_files import NOW, START

NOBODY = pl.DataFrame(schema={"user_id": pl.Int64, "segment": pl.String})


def frame(fields: dict[str, str | None]) -> pl.DataFrame:
    texts = {f"raw_{name}": pl.Series([text], dtype=pl.String) for name, text in fields.items()}
    facts = {"line": [1], "row": ["row"], "reason": pl.Series([None], dtype=pl.String)}
    return pl.DataFrame(facts | texts)


def convert_event(mapping: dict[str, Any] | None = None, **fields: str | None) -> Any:
    """The row as a dictionary, or the reason as text."""
    base: dict[str, Any] = {"files": "*", "user": "u", "item": "i", "timestamp": {"column": "t"},
                            "value": {"column": "v"}}  # fmt: skip
    table = Interactions.model_validate(base | (mapping or {}))
    row = {"user": "1", "item": "2", "timestamp": str(START), "value": "5"} | fields
    good, bad = convert.interactions(frame(row), table, PartitionBy.DAY, NOBODY, NOW)
    assert good.height + bad.height == 1
    return good.row(0, named=True) if good.height else bad["reason"].item()


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
    ],
)
def test_a_time_is_seconds_since_1970(text: str, unit: str, seconds: int) -> None:
    row = convert_event({"timestamp": {"column": "t", "unit": unit}}, timestamp=text)
    assert row["timestamp"] == seconds


@pytest.mark.parametrize(
    ("text", "unit", "reason"),
    [
        (f"{START}000", "Seconds", "TimestampLooksLikeMilliseconds"),
        (f"{START}000000", "Seconds", "TimestampLooksLikeMicroseconds"),
        (f"{START}000000000", "Seconds", "TimestampLooksLikeNanoseconds"),
        (str(START), "Milliseconds", "TimestampLooksLikeSeconds"),
        (f"{START}000000", "Milliseconds", "TimestampLooksLikeMicroseconds"),
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
    assert convert_event({"timestamp": {"column": "t", "unit": unit}}, timestamp=text) == reason


@given(st.integers(convert._PLAUSIBLE_FROM, NOW + schema.CLOCK_TOLERANCE))
def test_a_plausible_time_is_accepted_only_in_its_own_unit(seconds: int) -> None:
    units = {"Seconds": str(seconds), "Milliseconds": f"{seconds}000"}
    for unit in units:
        for other, text in units.items():
            found = convert_event({"timestamp": {"column": "t", "unit": unit}}, timestamp=text)
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
    declared = {"value": {"column": "v", "lowest": bounds[0], "highest": bounds[1]}}
    assert convert_event(declared, value=text)["value"] == value


@pytest.mark.parametrize("text", ["0.99", "5.01", "five", "inf", "NaN", "1e999", None, "true"])
def test_a_value_out_of_range_has_a_reason(text: str | None) -> None:
    assert convert_event(value=text) == "BadValue"


TYPES = EventType.model_validate(
    {"column": "e", "types": [{"type": "view", "value": 2}, {"type": "rate"}]}
).model_dump()


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
    got = convert_event({"event_type": TYPES}, event_type=what, value=value)
    assert (got if isinstance(got, str) else got["value"]) == found


def test_all_types_are_accepted_if_none_is_listed() -> None:
    row = convert_event({"event_type": {"column": "e"}}, event_type="anything")
    assert (row["event_type"], row["value"]) == ("anything", 5.0)


@pytest.mark.parametrize("name", ["event_type", "segment", "session"])
def test_a_text_too_long_for_its_column_has_a_reason(name: str) -> None:
    assert convert_event(None, **{name: "x" * 129}) == "TextTooLong"


def test_the_segment_of_the_row_overrides_that_of_the_user() -> None:
    table = Interactions.model_validate(
        {"files": "*", "user": "u", "item": "i", "timestamp": {"column": "t"},
         "value": {"column": "v"}, "segment": "s"}
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


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"id": "3"}, (3, None, None, None, "unknown")),
        ({"id": "3", "age": "30"}, (3, 30, None, None, "25-34")),
        ({"id": "3", "age": "30.0"}, (3, 30, None, None, "25-34")),
        ({"id": "3", "age": "-1"}, (3, None, None, None, "unknown")),
        ({"id": "3", "age": "30", "segment": "gold"}, (3, 30, None, None, "gold")),
        ({"id": "3", "gender": " F ", "occupation": ""}, (3, None, "F", None, "unknown")),
        ({"id": "x"}, "BadUserId"),
        ({"id": None}, "BadUserId"),
        ({"id": "3", "age": "old"}, "BadAge"),
        ({"id": "3", "age": "121"}, "BadAge"),
        ({"id": "3", "occupation": "x" * 65}, "TextTooLong"),
    ],
)
def test_a_user_has_known_attributes_or_a_reason(
    fields: dict[str, str | None], found: tuple[Any, ...] | str
) -> None:
    good, bad = convert.users(frame(fields))
    if isinstance(found, str):
        assert bad["reason"].to_list() == [found]
    else:
        assert good.select(schema.USERS_SCHEMA.names()).rows() == [found]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"id": "3"}, (3, None, None, None)),
        ({"id": "3", "title": "A, B", "release_year": "1999"}, (3, "A, B", 1999, None)),
        ({"id": "3", "release_year": "12"}, (3, None, None, None)),
        (
            {"id": "3", "genres": "War| Science  Fiction ||"},
            (3, None, None, "War Science-Fiction"),
        ),
        ({"id": "3", "genres": "War\x1fDrama"}, (3, None, None, "War Drama")),
        ({"id": "3", "genres": "|"}, (3, None, None, None)),
        ({"id": "a"}, "BadItemId"),
    ],
)
def test_an_item_has_known_attributes_or_a_reason(
    fields: dict[str, str | None], found: tuple[Any, ...] | str
) -> None:
    good, bad = convert.items(frame(fields), Items(files="*", id="id"))
    if isinstance(found, str):
        assert bad["reason"].to_list() == [found]
    else:
        assert good.select(schema.ITEMS_SCHEMA.names()).rows() == [found]
