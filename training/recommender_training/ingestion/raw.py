"""Read raw files line by line; parse each row, or quarantine it with a reason."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import polars as pl

from recommender_training.common.errors import InputError
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import schema
from recommender_training.ingestion import default_segment, feature_values
from recommender_training.ingestion.mapping import field_of
from recommender_training.ingestion.raw_columns import flag

_INTEGER = r"^\d{1,18}$"
_NUMBER = r"^[+-]?\d{1,15}(\.\d+)?$"


@dataclass(frozen=True)
class RawTable:
    """One kind of raw file: its table, its suffix and the columns of its header."""

    name: str
    suffix: str
    columns: tuple[str, ...]

    @property
    def schema_hash(self) -> str:
        """Hash of the schema, recorded with each quarantined row."""
        text = self.name + "\t" + "\t".join(self.columns)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def fields(self) -> tuple[str, ...]:
        """Column names without the types of the header."""
        return tuple(column.split(":")[0] for column in self.columns)


def _shipped(name: str) -> str:
    """The text of a file of the declaration of MovieLens 100K."""
    folder = resources.files("recommender_training") / "ingestion/movielens100k"
    return (folder / name).read_text(encoding="utf-8")


_HEADERS: dict[str, list[str]] = json.loads(_shipped("movielens100k_headers.json"))
INTERACTIONS, USERS, ITEMS = (
    RawTable(name, suffix, tuple(_HEADERS[name]))
    for name, suffix in (("interactions", ".inter"), ("users", ".user"), ("items", ".item"))
)

_USER_ID, _ITEM_ID, _VALUE, _TIMESTAMP = INTERACTIONS.fields
#: The field of an item's title, which is shown and no feature.
_TITLE = ITEMS.fields[1]


Parts = tuple[pl.DataFrame, pl.DataFrame]


@functools.cache
def declaration() -> FeatureSchema:
    """Return the declaration of MovieLens 100K, which the package ships."""
    return FeatureSchema.parse(_shipped("movielens100k.json"))


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
    users, bad_users = _users(_lines(source, USERS))
    items, bad_items = _items(_lines(source, ITEMS))
    interactions, bad_rows = _interactions(
        _lines(source, INTERACTIONS), users, items, now + schema.CLOCK_TOLERANCE
    )
    quarantine = pl.concat([bad_users, bad_items, bad_rows])
    return RawData(interactions, users, items, quarantine)


def _lines(source: Path, table: RawTable) -> pl.DataFrame:
    """Return all lines of all files of a kind: file, line (from 1, the header), row."""
    paths = sorted(path for path in source.iterdir() if path.name.endswith(table.suffix))
    if not paths:
        raise InputError(
            "DataMissing",
            f"{source} has no file *{table.suffix} ({table.name}); add it with the header "
            f"{' '.join(table.columns)} separated by tabs",
        )
    return pl.concat([_file_lines(path, table) for path in paths])


def _file_lines(path: Path, table: RawTable) -> pl.DataFrame:
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


def _check_header(path: Path, table: RawTable, header: list[str]) -> None:
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


def _split(lines: pl.DataFrame, table: RawTable) -> pl.DataFrame:
    """Split lines into one string column per field; set `reason` if the count is wrong."""
    fields = pl.col("row").str.split("\t")
    wrong = fields.list.len() != len(table.fields)
    columns = [
        fields.list.get(index, null_on_oob=True).str.strip_chars().alias(f"raw_{name}")
        for index, name in enumerate(table.fields)
    ]
    reason = pl.when(wrong).then(pl.lit("WrongFieldCount")).alias("reason")
    frame = lines.with_columns(reason, *columns)
    declared = {"users": declaration().users, "items": declaration().items}
    texts = {feature: _raw(feature.source) for feature in declared.get(table.name, ())}
    return frame.with_columns(
        pl.when(text.str.len_bytes() > 0).then(text).alias(f"raw_{field_of(feature)}")
        for feature, text in texts.items()
    )


def _raw(field: str) -> pl.Expr:
    """The text of a field of the header."""
    return pl.col(f"raw_{field}")


def _bad(field: str) -> str:
    """The reason to quarantine a row for this field: `BadUserId` for `user_id`."""
    return "Bad" + "".join(word.capitalize() for word in field.split("_"))


def _no_integer(frame: pl.DataFrame, field: str, low: int, high: int) -> pl.DataFrame:
    """Flag the rows whose field is no number within these limits."""
    text = _raw(field)
    value = text.str.to_integer(strict=False, dtype=pl.Int64)
    return flag(frame, ~(text.str.contains(_INTEGER) & value.is_between(low, high)), _bad(field))


def _part(frame: pl.DataFrame, table: RawTable, columns: list[pl.Expr]) -> Parts:
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


def _users(lines: pl.DataFrame) -> Parts:
    frame = _split(lines, USERS)
    frame = _no_integer(frame, _USER_ID, 1, 2**62)
    features = declaration().users
    frame = feature_values.read_feature(frame, features)
    columns = [
        _raw(_USER_ID).str.to_integer(dtype=pl.Int64).alias("user_id"),
        *feature_values.columns(features),
        pl.lit(None, dtype=pl.String).alias("segment"),
    ]
    good, bad = _part(frame, USERS, columns)
    good = default_segment.fill(good, good.clear(), declaration())
    return good.unique("user_id", keep="last", maintain_order=True).sort("user_id"), bad


def _items(lines: pl.DataFrame) -> Parts:
    frame = _split(lines, ITEMS)
    frame = _no_integer(frame, _ITEM_ID, 0, 2**62)
    features = declaration().items
    frame = feature_values.read_feature(frame, features, of_requests=False)
    columns = [
        _raw(_ITEM_ID).str.to_integer(dtype=pl.Int64).alias("item_id"),
        _raw(_TITLE).alias("title"),
        *feature_values.columns(features),
    ]
    good, bad = _part(frame, ITEMS, columns)
    return good.unique("item_id", keep="last", maintain_order=True).sort("item_id"), bad


def _interactions(
    lines: pl.DataFrame, users: pl.DataFrame, items: pl.DataFrame, last: int
) -> Parts:
    frame = _split(lines, INTERACTIONS)
    frame = _no_integer(frame, _USER_ID, 1, 2**62)
    frame = _no_integer(frame, _ITEM_ID, 0, 2**62)
    value = _raw(_VALUE).cast(pl.Float32, strict=False)
    in_range = value.is_between(schema.MIN_VALUE, schema.MAX_VALUE)
    frame = flag(frame, ~(_raw(_VALUE).str.contains(_NUMBER) & in_range), _bad(_VALUE))
    time = _raw(_TIMESTAMP).cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    in_range = time.is_between(1, schema.MAX_TIMESTAMP)
    is_time = _raw(_TIMESTAMP).str.contains(_NUMBER)
    frame = flag(frame, ~(is_time & in_range), _bad(_TIMESTAMP))
    frame = flag(frame, time > last, "FutureTimestamp")
    frame = frame.with_columns(
        _raw(_USER_ID).str.to_integer(strict=False, dtype=pl.Int64).alias("user_id"),
        _raw(_ITEM_ID).str.to_integer(strict=False, dtype=pl.Int64).alias("item_id"),
        value.alias("value"),
        time.alias("timestamp"),
    )
    frame = frame.join(users.select("user_id", "segment"), on="user_id", how="left")
    frame = flag(frame, pl.col("segment").is_null(), "UnknownUser")
    frame = flag(frame, ~pl.col("item_id").is_in(items["item_id"].implode()), "UnknownItem")
    key = pl.struct("user_id", "item_id", "value", "timestamp")
    frame = flag(frame, ~key.is_first_distinct(), "DuplicateRow")
    day = pl.from_epoch("timestamp", time_unit="s").dt.strftime("%Y-%m-%d").alias("event_date")
    nothing = pl.lit(None, dtype=pl.String)
    columns = [
        pl.col("user_id", "item_id", "value", "timestamp"),
        day,
        pl.col("segment"),
        nothing.alias("event_type"),
        nothing.alias("session_id"),
    ]
    return _part(frame, INTERACTIONS, columns)
