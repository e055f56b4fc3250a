"""Convert batches of text to rows of the tables, or to quarantined rows with a reason.

The rules are the same for all formats, since all readers yield text (`readers.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from recommender_training.data import schema
from recommender_training.ingestion import raw_columns
from recommender_training.ingestion.ids import IdKind, IdReader, IntegerIds
from recommender_training.ingestion.mapping import (
    EventType,
    Interactions,
    Items,
    PartitionBy,
    TimeUnit,
    Value,
)
from recommender_training.ingestion.raw_columns import flag, whole_number

#: 1990-01-01. If a number lies between this and now only in another unit, the mapping is wrong.
_PLAUSIBLE_FROM = 631_152_000
_MAX_ATTRIBUTE, _MAX_SESSION = 64, 128

_NUMBER = r"^[+-]?[0-9]{1,20}(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?$"
_DATE_TIME = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:[.,][0-9]+)?)?"
    r"\s?(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2})?)?)?$"
)

#: Default readers of ids.
USERS, ITEMS = IntegerIds("User"), IntegerIds("Item")
Parts = tuple[pl.DataFrame, pl.DataFrame]


def users(frame: pl.DataFrame, ids: IdReader = USERS) -> Parts:
    """Return rows of the users table, and bad rows with their reason."""
    frame = _complete(frame, ("age", "gender", "occupation", "segment"), {"raw_id": ids})
    frame = ids.read(frame, "raw_id", "user_id")
    missing = pl.col("raw_age").is_null() | pl.col("raw_age").is_in(["-1", "-1.0"])
    age = whole_number("raw_age")
    frame = flag(frame, ~missing & ~age.is_between(0, schema.MAX_AGE).fill_null(False), "BadAge")
    for name in ("gender", "occupation", "segment"):
        frame = flag(frame, _too_long(f"raw_{name}", _MAX_ATTRIBUTE), "TextTooLong")
    return _parts(
        ids.settle(frame, "raw_id", "user_id"),
        pl.col("user_id"),
        age.alias("age"),
        pl.col("raw_gender").alias("gender"),
        pl.col("raw_occupation").alias("occupation"),
        pl.coalesce("raw_segment", schema.age_band(age)).alias("segment"),
    )


def items(frame: pl.DataFrame, table: Items, ids: IdReader = ITEMS) -> Parts:
    """Return rows of the items table, and bad rows with their reason."""
    frame = _complete(frame, ("title", "release_year", "genres"), {"raw_id": ids})
    frame = ids.read(frame, "raw_id", "item_id")
    year = whole_number("raw_release_year")
    return _parts(
        ids.settle(frame, "raw_id", "item_id"),
        pl.col("item_id"),
        pl.col("raw_title").alias("title"),
        pl.when(year.is_between(1800, 2200)).then(year).alias("release_year"),
        _genres(table.genre_separator).alias("genres"),
    )


def interactions(
    frame: pl.DataFrame,
    table: Interactions,
    partition_by: PartitionBy,
    segments: pl.DataFrame,
    now: int,
    of_users: IdReader = USERS,
    of_items: IdReader = ITEMS,
) -> Parts:
    """Return rows of the interactions table, and bad rows with their reason.

    `segments` has `user_id` and `segment` of the known users; `now` is in seconds since 1970.
    """
    ids = {"raw_user": of_users, "raw_item": of_items}
    frame = _complete(frame, ("value", "event_type", "session", "segment"), ids)
    frame = of_users.read(frame, "raw_user", "user_id")
    frame = of_items.read(frame, "raw_item", "item_id")
    frame = _with_time(frame, table.timestamp.unit, now)
    frame = _with_value(frame, table.value, table.event_type)
    for name, limit in (("event_type", _MAX_ATTRIBUTE), ("segment", _MAX_ATTRIBUTE),
                        ("session", _MAX_SESSION)):  # fmt: skip
        frame = flag(frame, _too_long(f"raw_{name}", limit), "TextTooLong")
    frame = of_users.settle(frame, "raw_user", "user_id")
    frame = of_items.settle(frame, "raw_item", "item_id")
    frame = frame.join(
        segments.select("user_id", pl.col("segment").alias("of_user")), on="user_id", how="left"
    )
    form = "%Y-%m-%d" if partition_by is PartitionBy.DAY else "%Y-%m-%dT%H"
    date = pl.from_epoch("timestamp", time_unit="s").dt.strftime(form).alias("event_date")
    return _parts(
        frame,
        pl.col("user_id", "item_id", "value", "timestamp"),
        date,
        pl.coalesce("raw_segment", "of_user", pl.lit("unknown")).alias("segment"),
        pl.col("raw_event_type").alias("event_type"),
        pl.col("raw_session").alias("session_id"),
    )


def _complete(
    frame: pl.DataFrame, optional: tuple[str, ...], ids: Mapping[str, IdReader]
) -> pl.DataFrame:
    """Strip whitespace, turn empty text into null, and add null columns for unmapped fields.

    Text ids stay unchanged, byte for byte.
    """
    raw = [name for name in frame.columns if name.startswith("raw_")]
    stripped = [name for name in raw if name not in ids or ids[name].kind is not IdKind.TEXT]
    frame = frame.with_columns(pl.col(name).str.strip_chars() for name in stripped)
    frame = frame.with_columns(
        pl.when(pl.col(name).str.len_bytes() > 0).then(pl.col(name)).alias(name)
        for name in stripped
    )
    return frame.with_columns(
        pl.lit(None, dtype=pl.String).alias(f"raw_{name}")
        for name in optional
        if f"raw_{name}" not in raw
    )


def _parts(frame: pl.DataFrame, *columns: pl.Expr) -> Parts:
    good = frame.filter(pl.col("reason").is_null()).select(*columns, "line", "row")
    bad = frame.filter(pl.col("reason").is_not_null()).select("line", "row", "reason")
    return good, bad


def _number(name: str) -> pl.Expr:
    text = pl.col(name)
    return pl.when(text.str.contains(_NUMBER)).then(text).cast(pl.Float64, strict=False)


def _too_long(name: str, limit: int) -> pl.Expr:
    return (pl.col(name).str.len_chars() > limit).fill_null(value=False)


def _genres(separator: str) -> pl.Expr:
    """Return genres as in the tables: one word per genre, separated by spaces."""
    one = raw_columns.LIST_SEPARATOR
    parts = pl.col("raw_genres").str.replace_all(separator, one, literal=True).str.split(one)
    words = parts.list.eval(pl.element().str.strip_chars().str.replace_all(r"\s+", "-"))
    text = words.list.eval(pl.element().filter(pl.element().str.len_bytes() > 0)).list.join(" ")
    return pl.when(text.str.len_bytes() > 0).then(text)


def _with_time(frame: pl.DataFrame, unit: TimeUnit, now: int) -> pl.DataFrame:
    """Add `timestamp` in seconds; the reason for a wrong unit names the likely one."""
    last = now + schema.CLOCK_TOLERANCE
    if unit is TimeUnit.ISO8601:
        seconds = _iso_seconds("raw_timestamp")
        frame = frame.with_columns(seconds.alias("timestamp"))
        is_number = pl.col("raw_timestamp").str.contains(_NUMBER).fill_null(value=False)
        frame = flag(frame, is_number & pl.col("timestamp").is_null(), "TimestampIsNumber")
    else:
        scale = 1.0 if unit is TimeUnit.SECONDS else 1e-3
        number = _number("raw_timestamp")
        frame = frame.with_columns(
            (number * scale).floor().cast(pl.Int64, strict=False).alias("timestamp")
        )
        for other, factor in _UNITS.items():
            if factor != scale:
                likely = (number * factor).is_between(_PLAUSIBLE_FROM, last)
                plausible = pl.col("timestamp").is_between(_PLAUSIBLE_FROM, last)
                likely = (likely & ~plausible.fill_null(value=False)).fill_null(value=False)
                frame = flag(frame, likely, f"TimestampLooksLike{other}")
        is_text = _iso_seconds("raw_timestamp").is_not_null()
        frame = flag(frame, pl.col("timestamp").is_null() & is_text, "TimestampLooksLikeISO8601")
    frame = flag(frame, pl.col("timestamp") < 1, "BadTimestamp")
    return flag(frame, pl.col("timestamp") > last, "FutureTimestamp")


#: Length of each unit in seconds.
_UNITS = {"Seconds": 1.0, "Milliseconds": 1e-3, "Microseconds": 1e-6, "Nanoseconds": 1e-9}


def _iso_seconds(name: str) -> pl.Expr:
    """Parse an ISO 8601 date, or date and time, to seconds since 1970; UTC without a zone."""
    parts = pl.col(name).str.extract_groups(_DATE_TIME)

    def part(index: int) -> pl.Expr:
        return parts.struct.field(str(index))

    text = pl.concat_str(
        part(1), pl.lit("T"), part(2).fill_null("00:00"), pl.lit(":"), part(3).fill_null("00")
    )
    local = text.str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False, time_unit="us").dt.epoch("s")
    hours, minutes = (part(i).cast(pl.Int64, strict=False).fill_null(0) for i in (5, 6))
    ahead = pl.when(part(4) == "-").then(-1).otherwise(1) * (hours * 3600 + minutes * 60)
    return local - ahead


def _with_value(
    frame: pl.DataFrame, value: Value | None, event_type: EventType | None
) -> pl.DataFrame:
    """Add `value`: that of the row, or else the declared value of its event type."""
    by_type = pl.lit(None, dtype=pl.Float64)
    if event_type is not None and event_type.types:
        values = {entry.type: entry.value for entry in event_type.types}
        known = pl.col("raw_event_type").is_in(list(values)).fill_null(value=False)
        frame = flag(frame, ~known, "UnknownEventType")
        by_type = pl.col("raw_event_type").replace_strict(
            values, default=None, return_dtype=pl.Float64
        )
    own = pl.lit(None, dtype=pl.Float64)
    if value is not None:
        own = _number("raw_value")
        if (value.lowest, value.highest) != (schema.MIN_VALUE, schema.MAX_VALUE):
            span = (schema.MAX_VALUE - schema.MIN_VALUE) / (value.highest - value.lowest)
            own = (own - value.lowest) * span + schema.MIN_VALUE
    used = pl.when(pl.col("raw_value").is_null()).then(by_type).otherwise(own)
    frame = frame.with_columns(used.cast(pl.Float32).alias("value"))
    in_range = pl.col("value").is_between(schema.MIN_VALUE, schema.MAX_VALUE)
    return flag(frame, ~in_range, "BadValue")
