"""Columns of the raw files and of the tables, and the age bands of the users."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import polars as pl

#: First age of every band except the youngest; the bands of MovieLens 1M.
AGE_EDGES = (18, 25, 35, 45, 50, 56)
AGE_BANDS = ("0-17", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")

#: Least value of a positive response.
POSITIVE_VALUE = 4.0
#: Range of an event's value.
MIN_VALUE, MAX_VALUE = 1.0, 5.0
#: 2100-01-01: later times are in milliseconds or wrong.
MAX_TIMESTAMP = 4_102_444_800
MAX_AGE = 120
#: Seconds that the clock of a writer may be ahead.
CLOCK_TOLERANCE = 86_400


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


INTERACTIONS = RawTable(
    "interactions",
    ".inter",
    ("user_id:token", "item_id:token", "rating:float", "timestamp:float"),
)
USERS = RawTable(
    "users",
    ".user",
    ("user_id:token", "age:token", "gender:token", "occupation:token", "zip_code:token"),
)
ITEMS = RawTable(
    "items",
    ".item",
    ("item_id:token", "movie_title:token_seq", "release_year:token", "class:token_seq"),
)

INTERACTIONS_SCHEMA = pl.Schema(
    {
        "user_id": pl.Int64,
        "item_id": pl.Int64,
        "value": pl.Float32,
        "timestamp": pl.Int64,
        "event_date": pl.String,
        "segment": pl.String,
    }
)
USERS_SCHEMA = pl.Schema(
    {
        "user_id": pl.Int64,
        "age": pl.Int64,
        "gender": pl.String,
        "occupation": pl.String,
        "segment": pl.String,
    }
)
ITEMS_SCHEMA = pl.Schema(
    {"item_id": pl.Int64, "title": pl.String, "release_year": pl.Int64, "genres": pl.String}
)
QUARANTINE_SCHEMA = pl.Schema(
    {
        "table": pl.String,
        "file": pl.String,
        "line": pl.Int64,
        "row": pl.String,
        "reason": pl.String,
        "schema_hash": pl.String,
    }
)
#: With the optional columns of mapped files; tables without mapped files lack them (null).
MAPPED_INTERACTIONS_SCHEMA = pl.Schema(
    [*INTERACTIONS_SCHEMA.items(), ("event_type", pl.String()), ("session_id", pl.String())]
)
MAPPED_QUARANTINE_SCHEMA = pl.Schema([*QUARANTINE_SCHEMA.items(), ("batch", pl.String())])
#: Files that were ingested; `batch` is the digest of the content.
BATCHES_SCHEMA = pl.Schema(
    {
        "batch": pl.String,
        "schema_hash": pl.String,
        "file": pl.String,
        "rows": pl.Int64,
        "new_rows": pl.Int64,
        "known_rows": pl.Int64,
        "quarantined_rows": pl.Int64,
    }
)
#: Texts of hashed ids; `kind` is user or item.
IDS_SCHEMA = pl.Schema({"kind": pl.String, "id": pl.Int64, "text": pl.String})
#: Columns that identify an event of a mapped file.
EVENT_KEY = ("user_id", "item_id", "timestamp", "event_type")


def age_band(age: pl.Expr) -> pl.Expr:
    """Return the band of an age in years; `unknown` for null."""
    band = pl.lit(AGE_BANDS[0])
    for edge, label in zip(AGE_EDGES, AGE_BANDS[1:], strict=True):
        band = pl.when(age >= edge).then(pl.lit(label)).otherwise(band)
    return pl.when(age.is_null()).then(pl.lit("unknown")).otherwise(band)
