"""Expressions that parse the text of a column: numbers, and dates of ISO 8601."""

from __future__ import annotations

import polars as pl

NUMBER = r"^[+-]?(?:[0-9]{1,20}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$"
#: Units of a time in a second. Dividing by them is exact for whole seconds.
PER_SECOND = {"Seconds": 1, "Milliseconds": 1000, "Microseconds": 10**6, "Nanoseconds": 10**9}
_DATE_TIME = (
    r"^([0-9]{4}[/-][0-9]{2}[/-][0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"\s?(?:[Zz]|(?i:utc|gmt)|([+-])([0-9]{2}):?([0-9]{2})?)?)?$"
)


def number(text: pl.Expr) -> pl.Expr:
    """Parse a number (Float64); null for any other text."""
    return pl.when(text.str.contains(NUMBER)).then(text).cast(pl.Float64, strict=False)


def iso_seconds(text: pl.Expr) -> pl.Expr:
    """Parse an ISO 8601 date, or date and time, to seconds since 1970; UTC without a zone.

    Also as exports write it: with slashes in the date, and UTC or GMT for Z.
    """
    parts = text.str.extract_groups(_DATE_TIME)

    def part(index: int) -> pl.Expr:
        return parts.struct.field(str(index))

    whole = pl.concat_str(
        part(1).str.replace_all("/", "-"),
        pl.lit("T"),
        part(2).fill_null("00:00"),
        pl.lit(":"),
        part(3).fill_null("00"),
    )
    local = whole.str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False, time_unit="us").dt.epoch("s")
    hours, minutes = (part(i).cast(pl.Int64, strict=False).fill_null(0) for i in (6, 7))
    ahead = pl.when(part(5) == "-").then(-1).otherwise(1) * (hours * 3600 + minutes * 60)
    return local - ahead


def iso_fraction(text: pl.Expr) -> pl.Expr:
    """How far such a time is into its second, from 0 to 1; 0 for any other text."""
    digits = text.str.extract(_DATE_TIME, 4).fill_null("0")
    return pl.concat_str(pl.lit("0."), digits).cast(pl.Float64)
