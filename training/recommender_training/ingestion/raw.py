"""Read raw files line by line; parse each row, or quarantine it with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recommender_training.common.errors import InputError
from recommender_training.data import schema
from recommender_training.ingestion.raw_columns import flag

_INTEGER = r"^\d{1,18}$"
_NUMBER = r"^[+-]?\d{1,15}(\.\d+)?$"


@dataclass(frozen=True)
class RawData:
    """Parsed and quarantined rows of all files of a source."""

    interactions: pl.DataFrame
    users: pl.DataFrame
    items: pl.DataFrame
    quarantine: pl.DataFrame


def read_source(source: Path, now: int = schema.MAX_TIMESTAMP) -> RawData:
    """Read all files of a folder in the MovieLens atomic format.

    `now` is in seconds since 1970; later events are quarantined. Raises InputError: DataMissing,
    UnreadableData, UnknownColumns.
    """
    if not source.is_dir():
        raise InputError("DataMissing", f"{source} is not a folder; put the raw files there")
    users, bad_users = _users(_lines(source, schema.USERS))
    items, bad_items = _items(_lines(source, schema.ITEMS))
    interactions, bad_rows = _interactions(
        _lines(source, schema.INTERACTIONS), users, items, now + schema.CLOCK_TOLERANCE
    )
    quarantine = pl.concat([bad_users, bad_items, bad_rows])
    return RawData(interactions, users, items, quarantine)


def _lines(source: Path, table: schema.RawTable) -> pl.DataFrame:
    """Return all lines of all files of a kind: file, line (from 1, the header), row."""
    paths = sorted(path for path in source.iterdir() if path.name.endswith(table.suffix))
    if not paths:
        raise InputError(
            "DataMissing",
            f"{source} has no file *{table.suffix} ({table.name}); add it with the header "
            f"{' '.join(table.columns)} separated by tabs",
        )
    return pl.concat([_file_lines(path, table) for path in paths])


def _file_lines(path: Path, table: schema.RawTable) -> pl.DataFrame:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "UnreadableData", f"{path} cannot be read as UTF-8 text ({error}); repair the file"
        ) from error
    lines = text.replace("\r\n", "\n").split("\n")
    if not lines[0].strip():
        raise InputError("UnreadableData", f"{path} is empty; its first line must be the header")
    _check_header(path, table, lines[0].split("\t"))
    numbers = [number for number, line in enumerate(lines[1:], start=2) if line]
    return pl.DataFrame(
        {"file": path.name, "line": numbers, "row": [lines[number - 1] for number in numbers]},
        schema={"file": pl.String, "line": pl.Int64, "row": pl.String},
    )


def _check_header(path: Path, table: schema.RawTable, header: list[str]) -> None:
    expected = list(table.columns)
    if header == expected:
        return
    unknown = [column for column in header if column not in expected]
    missing = [column for column in expected if column not in header]
    parts = [f"unknown {unknown}"] if unknown else []
    parts += [f"missing {missing}"] if missing else []
    what = ", ".join(parts) or "another order"
    raise InputError(
        "UnknownColumns",
        f"{path}: columns: {what}; the header must be {' '.join(expected)} separated by tabs",
    )


def _split(lines: pl.DataFrame, table: schema.RawTable) -> pl.DataFrame:
    """Split lines into one string column per field; set `reason` if the count is wrong."""
    fields = pl.col("row").str.split("\t")
    wrong = fields.list.len() != len(table.fields)
    columns = [
        fields.list.get(index, null_on_oob=True).str.strip_chars().alias(f"raw_{name}")
        for index, name in enumerate(table.fields)
    ]
    reason = pl.when(wrong).then(pl.lit("WrongFieldCount")).alias("reason")
    return lines.with_columns(reason, *columns)


def _integer(name: str, low: int, high: int) -> pl.Expr:
    value = pl.col(name).str.to_integer(strict=False, dtype=pl.Int64)
    return ~(pl.col(name).str.contains(_INTEGER) & value.is_between(low, high))


def _part(
    frame: pl.DataFrame, table: schema.RawTable, columns: list[pl.Expr]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    good = frame.filter(pl.col("reason").is_null()).select(columns)
    bad = frame.filter(pl.col("reason").is_not_null()).select(
        pl.lit(table.name).alias("table"),
        "file",
        "line",
        "row",
        "reason",
        pl.lit(table.schema_hash).alias("schema_hash"),
    )
    return good, bad


def _users(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    frame = _split(lines, schema.USERS)
    frame = flag(frame, _integer("raw_user_id", 1, 2**62), "BadUserId")
    absent = pl.col("raw_age").is_in(["", "-1"])
    frame = flag(frame, ~absent & _integer("raw_age", 0, schema.MAX_AGE), "BadAge")
    age = pl.col("raw_age").str.to_integer(strict=False, dtype=pl.Int64)
    age = pl.when(age >= 0).then(age)
    columns = [
        pl.col("raw_user_id").str.to_integer(dtype=pl.Int64).alias("user_id"),
        age.alias("age"),
        _text("raw_gender").alias("gender"),
        _text("raw_occupation").alias("occupation"),
        schema.age_band(age).alias("segment"),
    ]
    good, bad = _part(frame, schema.USERS, columns)
    return good.unique("user_id", keep="last", maintain_order=True).sort("user_id"), bad


def _items(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    frame = _split(lines, schema.ITEMS)
    frame = flag(frame, _integer("raw_item_id", 0, 2**62), "BadItemId")
    year = pl.col("raw_release_year").str.to_integer(strict=False, dtype=pl.Int64)
    columns = [
        pl.col("raw_item_id").str.to_integer(dtype=pl.Int64).alias("item_id"),
        pl.col("raw_movie_title").alias("title"),
        pl.when(year.is_between(1800, 2200)).then(year).alias("release_year"),
        _text("raw_class").alias("genres"),
    ]
    good, bad = _part(frame, schema.ITEMS, columns)
    return good.unique("item_id", keep="last", maintain_order=True).sort("item_id"), bad


def _text(name: str) -> pl.Expr:
    return pl.when(pl.col(name).str.len_chars() > 0).then(pl.col(name))


def _interactions(
    lines: pl.DataFrame, users: pl.DataFrame, items: pl.DataFrame, last: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    frame = _split(lines, schema.INTERACTIONS)
    frame = flag(frame, _integer("raw_user_id", 1, 2**62), "BadUserId")
    frame = flag(frame, _integer("raw_item_id", 0, 2**62), "BadItemId")
    value = pl.col("raw_rating").cast(pl.Float32, strict=False)
    in_range = value.is_between(schema.MIN_VALUE, schema.MAX_VALUE)
    frame = flag(frame, ~(pl.col("raw_rating").str.contains(_NUMBER) & in_range), "BadRating")
    time = pl.col("raw_timestamp").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    in_range = time.is_between(1, schema.MAX_TIMESTAMP)
    is_time = pl.col("raw_timestamp").str.contains(_NUMBER)
    frame = flag(frame, ~(is_time & in_range), "BadTimestamp")
    frame = flag(frame, time > last, "FutureTimestamp")
    frame = frame.with_columns(
        pl.col("raw_user_id").str.to_integer(strict=False, dtype=pl.Int64).alias("user_id"),
        pl.col("raw_item_id").str.to_integer(strict=False, dtype=pl.Int64).alias("item_id"),
        value.alias("value"),
        time.alias("timestamp"),
    )
    frame = frame.join(users.select("user_id", "segment"), on="user_id", how="left")
    frame = flag(frame, pl.col("segment").is_null(), "UnknownUser")
    frame = flag(frame, ~pl.col("item_id").is_in(items["item_id"].implode()), "UnknownItem")
    key = pl.struct("user_id", "item_id", "value", "timestamp")
    frame = flag(frame, ~key.is_first_distinct(), "DuplicateRow")
    day = pl.from_epoch("timestamp", time_unit="s").dt.strftime("%Y-%m-%d").alias("event_date")
    columns = [pl.col("user_id", "item_id", "value", "timestamp"), day, pl.col("segment")]
    return _part(frame, schema.INTERACTIONS, columns)
