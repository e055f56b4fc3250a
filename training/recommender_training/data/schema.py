"""Columns of the tables, which follow the declared features."""

from __future__ import annotations

import polars as pl

from recommender_contract.features import Kind
from recommender_contract.resource import mapping
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureSchema

_Columns = dict[str, type[pl.DataType]]

#: Least value of a positive response.
POSITIVE_VALUE = 4.0
#: Range of an event's value.
MIN_VALUE, MAX_VALUE = mapping.MIN_VALUE, mapping.MAX_VALUE
#: 2100-01-01: later times are in milliseconds or wrong.
MAX_TIMESTAMP = 4_102_444_800
#: Seconds that the clock of a writer may be ahead.
CLOCK_TOLERANCE = 86_400


#: Physical type of each kind. Boolean is `true` or `false`; the categories of a MultiCategorical
#: and the numbers of an Embedding are separated by one space; a Timestamp is in seconds since
#: 1970.
TYPES: dict[Kind, type[pl.DataType]] = {
    **dict.fromkeys(Kind, pl.String),
    Kind.NUMERIC: pl.Float64,
    Kind.TIMESTAMP: pl.Int64,
}
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
#: Places of answers whose item was drawn at random: `item_id` was shown at `place`; `pool` has the
#: ids of all that could have been, best first, with spaces between them.
EXPLORED_SCHEMA = pl.Schema(
    {
        "user_id": pl.Int64,
        "timestamp": pl.Int64,
        "item_id": pl.Int64,
        "place": pl.Int64,
        "pool": pl.String,
    }
)
#: Columns that identify an event of a mapped file.
EVENT_KEY = ("user_id", "item_id", "timestamp", "event_type")
#: Columns of the interactions that every declaration has.
_EVENTS: _Columns = {
    "user_id": pl.Int64,
    "item_id": pl.Int64,
    "value": pl.Float32,
    "timestamp": pl.Int64,
    "event_date": pl.String,
    "segment": pl.String,
    "event_type": pl.String,
    "session_id": pl.String,
}


def users_schema(declaration: FeatureSchema) -> pl.Schema:
    """Return the columns of the table of users: id, declared features, segment.

    With a declared history, `valid_from` in seconds since 1970 too: null in rows that always do.
    """
    columns: _Columns = {"user_id": pl.Int64, **_columns(declaration.users), "segment": pl.String}
    if declaration.user_history:
        columns["valid_from"] = pl.Int64
    return pl.Schema(columns)


def items_schema(declaration: FeatureSchema) -> pl.Schema:
    """Return the columns of the table of items: id, title, declared features.

    With a declared history, `valid_from` as users have it.
    """
    columns: _Columns = {"item_id": pl.Int64, "title": pl.String, **_columns(declaration.items)}
    if declaration.item_history:
        columns["valid_from"] = pl.Int64
    return pl.Schema(columns)


def interactions_schema(declaration: FeatureSchema) -> pl.Schema:
    """Return the columns of the table of interactions: the event, declared features."""
    return pl.Schema({**_EVENTS, **_columns(declaration.context)})


def tables(declaration: FeatureSchema) -> dict[str, pl.Schema]:
    """Return the columns of the three tables of a data version, in the order of its digest."""
    return {
        "interactions": interactions_schema(declaration),
        "users": users_schema(declaration),
        "items": items_schema(declaration),
    }


def _columns(features: tuple[Feature, ...]) -> _Columns:
    return {feature.name: TYPES[feature.kind] for feature in features}
