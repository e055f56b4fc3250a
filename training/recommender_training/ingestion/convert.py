"""Convert batches of text to rows of the tables, or to quarantined rows with a reason.

The rules are the same for all formats, since all readers yield text (`readers.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from recommender_contract.ids import IdKind
from recommender_contract.resource.mapping import PartitionBy, TimeUnit
from recommender_training.data import row_times, schema
from recommender_training.ingestion import conflicts, feature_values, texts
from recommender_training.ingestion.ids import IdReader, IntegerIds
from recommender_training.ingestion.mapping import Interactions, Items, SideTable, Users
from recommender_training.ingestion.raw_columns import flag

#: 1990-01-01. If a number lies between this and now only in another unit, the mapping is wrong.
_PLAUSIBLE_FROM = 631_152_000
_MAX_ATTRIBUTE, _MAX_SESSION = 64, 128

#: Default readers of ids.
USERS, ITEMS = IntegerIds("User"), IntegerIds("Item")
#: Good rows, with `_line` and `_row` of the file beside the columns of the table, and bad rows.
Parts = tuple[pl.DataFrame, pl.DataFrame]


def users(
    frame: pl.DataFrame, table: Users, ids: IdReader = USERS, now: int = schema.MAX_TIMESTAMP
) -> Parts:
    """Return rows of the users table, and bad rows with their reason.

    `segment` is null where none is mapped; `default_segment.py` has the default. `now` is in
    seconds since 1970; rows that count from a later time are left out, or bad if it is far away.
    """
    frame = _complete(frame, ("segment",), {"raw_id": ids})
    frame = ids.read(frame, "raw_id", "user_id")
    frame, history = _with_history(frame, table, now)
    frame = feature_values.read_feature(frame, table.features)
    frame = flag(frame, _too_long("raw_segment", _MAX_ATTRIBUTE), "TextTooLong")
    return _parts(
        ids.settle(frame, "raw_id", "user_id"),
        pl.col("user_id"),
        *feature_values.columns(table.features),
        pl.col("raw_segment").alias("segment"),
        *history,
    )


def items(
    frame: pl.DataFrame, table: Items, ids: IdReader = ITEMS, now: int = schema.MAX_TIMESTAMP
) -> Parts:
    """Return rows of the items table, and bad rows with their reason; `now` as of `users`."""
    frame = _complete(frame, ("title",), {"raw_id": ids})
    frame = ids.read(frame, "raw_id", "item_id")
    frame, history = _with_history(frame, table, now)
    frame = feature_values.read_feature(frame, table.features, of_requests=False)
    return _parts(
        ids.settle(frame, "raw_id", "item_id"),
        pl.col("item_id"),
        pl.col("raw_title").alias("title"),
        *feature_values.columns(table.features),
        *history,
    )


def interactions(
    frame: pl.DataFrame,
    table: Interactions,
    partition_by: PartitionBy,
    segments: pl.DataFrame,
    now: int,
    of_users: IdReader = USERS,
    of_items: IdReader = ITEMS,
    best_types: Sequence[str] = (),
) -> Parts:
    """Return rows of the interactions table, and bad rows with their reason.

    `segments` has `user_id` and `segment` of the known users, and `valid_from` if they have a
    history; `now` is in seconds since 1970; `best_types` are those of the `Mapping`.
    """
    ids = {"raw_user": of_users, "raw_item": of_items}
    frame = _complete(frame, ("value", "event_type", "session", "segment"), ids)
    frame = of_users.read(frame, "raw_user", "user_id")
    frame = of_items.read(frame, "raw_item", "item_id")
    frame = _with_time(frame, table.timestamp_unit, now)
    frame = _with_value(frame, table, best_types)
    frame = feature_values.read_feature(frame, table.features)
    for name, limit in (("event_type", _MAX_ATTRIBUTE), ("segment", _MAX_ATTRIBUTE),
                        ("session", _MAX_SESSION)):  # fmt: skip
        frame = flag(frame, _too_long(f"raw_{name}", limit), "TextTooLong")
    frame = of_users.settle(frame, "raw_user", "user_id")
    frame = of_items.settle(frame, "raw_item", "item_id")
    frame = _with_segment_of_user(frame, segments)
    form = "%Y-%m-%d" if partition_by is PartitionBy.DAY else "%Y-%m-%dT%H"
    date = pl.from_epoch("timestamp", time_unit="s").dt.strftime(form).alias("event_date")
    return _parts(
        frame,
        pl.col("user_id", "item_id", "value", "timestamp"),
        date,
        pl.coalesce("raw_segment", "of_user", pl.lit("unknown")).alias("segment"),
        pl.col("raw_event_type").alias("event_type"),
        pl.col("raw_session").alias("session_id"),
        *feature_values.columns(table.features),
    )


def _with_segment_of_user(frame: pl.DataFrame, segments: pl.DataFrame) -> pl.DataFrame:
    """Add `of_user`, the segment of each event's user at its time; null if it is unknown."""
    found = segments.rename({"segment": "of_user"})
    if row_times.COLUMN not in found.columns:
        return frame.join(found, on="user_id", how="left")
    found = found.with_columns(row_times.since(found).alias("_since")).drop(row_times.COLUMN)
    numbered = frame.with_row_index("_place").sort("timestamp")
    joined = numbered.join_asof(
        found.sort("_since"),
        left_on="timestamp",
        right_on="_since",
        by="user_id",
        strategy="backward",
        check_sortedness=False,
    )
    return joined.sort("_place").drop("_place", "_since", strict=False)


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
    place = (pl.col("line").alias("_line"), pl.col("row").alias("_row"))
    good = frame.filter(pl.col("reason").is_null()).select(*columns, *place)
    bad = frame.filter(pl.col("reason").is_not_null()).select("line", "row", "reason")
    return good, bad


def _too_long(name: str, limit: int) -> pl.Expr:
    return (pl.col(name).str.len_chars() > limit).fill_null(value=False)


def _with_history(
    frame: pl.DataFrame, table: SideTable, now: int
) -> tuple[pl.DataFrame, list[pl.Expr]]:
    """The rows with the time that they count from, and its column, if the table declares it.

    A row counts from the first whole second on at which it was there, for times of events are cut
    off to the second. `_ahead` says how much later that is, so that of two rows of a second the
    later one counts (`conflicts`).
    """
    if table.valid_from is None:
        return frame, []
    frame = frame.rename({"raw_valid_from": "raw_timestamp"})
    unit = table.valid_from_unit or TimeUnit.SECONDS
    frame = _with_time(frame, unit, now)
    since, ahead = _since(unit)
    waits = since.is_between(now + 1, now + schema.CLOCK_TOLERANCE).fill_null(value=False)
    frame = frame.filter(~waits)  # a later check reads it: the graph would serve it too early
    return frame, [since.alias(row_times.COLUMN), ahead.alias(conflicts.AHEAD)]


def _since(unit: TimeUnit) -> tuple[pl.Expr, pl.Expr]:
    """The first whole second that is not before a time, and how far it is ahead."""
    if unit is TimeUnit.ISO8601:
        fraction = texts.iso_fraction(pl.col("raw_timestamp"))
        up = (fraction > 0).cast(pl.Int64)
        return pl.col("timestamp") + up, up - fraction
    number = texts.number(pl.col("raw_timestamp")) / texts.PER_SECOND[unit]
    return number.ceil().cast(pl.Int64, strict=False), number.ceil() - number


def _with_time(frame: pl.DataFrame, unit: TimeUnit, now: int) -> pl.DataFrame:
    """Add `timestamp` in seconds; the reason for a wrong unit names the likely one."""
    last = now + schema.CLOCK_TOLERANCE
    if unit is TimeUnit.ISO8601:
        seconds = texts.iso_seconds(pl.col("raw_timestamp"))
        frame = frame.with_columns(seconds.alias("timestamp"))
        is_number = pl.col("raw_timestamp").str.contains(texts.NUMBER).fill_null(value=False)
        frame = flag(frame, is_number & pl.col("timestamp").is_null(), "TimestampIsNumber")
    else:
        number = texts.number(pl.col("raw_timestamp"))
        frame = frame.with_columns(
            (number / texts.PER_SECOND[unit])
            .floor()
            .cast(pl.Int64, strict=False)
            .alias("timestamp")
        )
        for other, parts in texts.PER_SECOND.items():
            if other != unit:
                likely = (number / parts).is_between(_PLAUSIBLE_FROM, last)
                plausible = pl.col("timestamp").is_between(_PLAUSIBLE_FROM, last)
                likely = (likely & ~plausible.fill_null(value=False)).fill_null(value=False)
                frame = flag(frame, likely, f"TimestampLooksLike{other}")
        is_text = texts.iso_seconds(pl.col("raw_timestamp")).is_not_null()
        frame = flag(frame, pl.col("timestamp").is_null() & is_text, "TimestampLooksLikeISO8601")
    frame = flag(frame, pl.col("timestamp") < 1, "BadTimestamp")
    return flag(frame, pl.col("timestamp") > last, "FutureTimestamp")


def _with_value(
    frame: pl.DataFrame, table: Interactions, best_types: Sequence[str]
) -> pl.DataFrame:
    """Add `value`: that of the row, or else of its event type, or else the best."""
    by_type = pl.lit(None, dtype=pl.Float64)
    if table.event_types:
        values = {entry.type: entry.value for entry in table.event_types}
        known = pl.col("raw_event_type").is_in(list(values)).fill_null(value=False)
        frame = flag(frame, ~known, "UnknownEventType")
        by_type = pl.col("raw_event_type").replace_strict(
            values, default=None, return_dtype=pl.Float64
        )
    elif table.value is None and not best_types:
        by_type = pl.lit(schema.MAX_VALUE, dtype=pl.Float64)
    if best_types:
        is_best = pl.col("raw_event_type").is_in(list(best_types)).fill_null(value=False)
        of_label = pl.when(is_best).then(schema.MAX_VALUE).otherwise(schema.MIN_VALUE)
        by_type = pl.coalesce(by_type, of_label)
    own = pl.lit(None, dtype=pl.Float64)
    if table.value is not None:
        own = _scaled(texts.number(pl.col("raw_value")), table.lowest, table.highest)
        truth = (
            pl.col("raw_value")
            .str.to_lowercase()
            .replace_strict(_TRUTHS, default=None, return_dtype=pl.Float64)
        )
        is_scaled = (table.lowest, table.highest) != (schema.MIN_VALUE, schema.MAX_VALUE)
        ends = (table.lowest, table.highest) if is_scaled else (0.0, 1.0)
        own = pl.coalesce(own, _scaled(truth, *ends))
    used = pl.when(pl.col("raw_value").is_null()).then(by_type).otherwise(own)
    frame = frame.with_columns(used.cast(pl.Float32).alias("value"))
    in_range = pl.col("value").is_between(schema.MIN_VALUE, schema.MAX_VALUE)
    return flag(frame, ~in_range, "BadValue")


#: Values of a boolean column, from 0 to 1 unless the mapping says another range.
_TRUTHS = {"true": 1.0, "false": 0.0}


def _scaled(value: pl.Expr, lowest: float, highest: float) -> pl.Expr:
    """Scale the range from lowest to highest to the range of values in the table."""
    if (lowest, highest) == (schema.MIN_VALUE, schema.MAX_VALUE):
        return value  # not changed by rounding
    span = (schema.MAX_VALUE - schema.MIN_VALUE) / (highest - lowest)
    return (value - lowest) * span + schema.MIN_VALUE
