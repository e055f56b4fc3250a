"""The lake: Delta tables of interactions, users, items, explored places and quarantined rows.

`data_versions.py` names the states of these tables, and `version_content.py` reads one of them.
The declaration beside the tables (`schema_files.py`) says which columns they have.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from deltalake import DeltaTable, PostCommitHookProperties, write_deltalake
from deltalake.exceptions import TableNotFoundError

from recommender_training.common.errors import InputError
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureSchema, FeatureTable
from recommender_training.data import data_versions, row_times, schema, schema_files

#: Rows of a part, unless a single day has more: some tens of megabytes.
PART_ROWS = 250_000


def interactions_in_order(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Yield sorted parts, in the order that digests and training rely on."""
    day = pl.col("event_date").str.slice(0, 10)
    days = rows.group_by(day.alias("day")).len().collect(engine="streaming").sort("day")
    start, held = 0, 0
    for at, (_, count) in enumerate(days.iter_rows()):
        held += count
        if held >= PART_ROWS or at == days.height - 1:
            first, last = days["day"][start], days["day"][at]
            # the name of an hourly partition starts with its day: 2026-11-25T13
            inside = (pl.col("event_date") >= first) & (pl.col("event_date") < last + "U")
            yield sort("interactions", rows.filter(inside).collect())
            start, held = at + 1, 0


#: Property of the tables in data versions. By default, Delta expires log entries after 30 days,
#: and the versions with them.
_KEEP_WHOLE_LOG = {"delta.enableExpiredLogCleanup": "false"}
#: Columns that decide the order of rows; the others of the interactions break ties.
_ORDER = {
    "interactions": ["timestamp", "user_id", "item_id", "value", "event_date", "segment"],
    "users": ["user_id"],
    "items": ["item_id"],
    "explored": ["timestamp", "user_id", "item_id", "place", "pool"],
}


@contextmanager
def locked(lake: Path) -> Iterator[None]:
    """Hold the lock of the lake, so that two checks of a source cannot both append its rows."""
    lake.mkdir(parents=True, exist_ok=True)
    with (lake / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def current(lake: Path, name: str, empty: pl.Schema) -> tuple[int | None, pl.DataFrame]:
    """Return the newest version of a table and its rows; None and no rows if it is missing.

    Users and items that have gained or lost a history are as `row_times.reshaped` makes them.
    """
    try:
        table = DeltaTable(str(lake / name))
    except TableNotFoundError:
        return None, pl.DataFrame(schema=empty)
    return table.version(), _side_rows(name, table, empty)


def append(lake: Path, name: str, frame: pl.DataFrame, partitions: list[str] | None) -> int:
    """Append rows as a new version of the table, add missing columns, and return the version."""
    path = str(lake / name)
    keep_log(lake, name)
    write_deltalake(
        path,
        frame,
        mode="append",
        partition_by=partitions,
        schema_mode="merge",
        configuration=_properties(name),
    )
    return DeltaTable(path).version()


def overwrite(lake: Path, name: str, frame: pl.DataFrame) -> int:
    """Replace rows and columns as a new version of the table and return it; older ones stay."""
    path = str(lake / name)
    keep_log(lake, name)
    write_deltalake(
        path,
        frame,
        mode="overwrite",
        schema_mode="overwrite",
        configuration=_properties(name),
    )
    return DeltaTable(path).version()


def keep_log(lake: Path, name: str) -> None:
    """Disable the expiry of log entries for a table created by an earlier release.

    Call it before each commit. New tables have the property from the start.
    """
    wanted = _properties(name)
    try:
        table = DeltaTable(str(lake / name))
    except TableNotFoundError:
        return
    if wanted and not wanted.items() <= table.metadata().configuration.items():
        table.alter.set_table_properties(
            wanted, post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False)
        )


def _properties(name: str) -> dict[str, str]:
    return {**_KEEP_WHOLE_LOG} if name in data_versions.TABLES else {}


def merge(lake: Path, name: str, incoming: pl.DataFrame) -> tuple[int, pl.DataFrame]:
    """Update users or items by id; return the version, a new one if any row changed, and rows.

    With a history, they are updated by id and `valid_from`, so that earlier rows stay.

    Rows have the columns of `incoming`: null in the rows that were there before a column, while a
    column that is no longer declared goes. Raises InputError `SchemaChanged`.
    """
    key = _key(name, incoming)
    check_types(lake, name, incoming.schema)
    number, present = current(lake, name, incoming.schema)
    rest = present.join(incoming, on=key, how="anti", nulls_equal=True)
    merged = sort(name, pl.concat([rest, incoming]))
    kept = number is not None and _has_history(lake, name) == (row_times.COLUMN in key)
    if number is None or not kept or not merged.equals(sort(name, present)):
        number = overwrite(lake, name, merged)
    return number, merged


def check_growth(lake: Path, declaration: FeatureSchema) -> None:
    """Check that the tables can have the features of a declaration.

    Raises InputError `SchemaChanged` if a feature has another type than its column, or another
    kind or length than in the last declaration: rows that stay would not be values of it.
    """
    for name, columns in schema.tables(declaration).items():
        check_types(lake, name, columns)
    before = schema_files.last_schema(lake) or FeatureSchema()
    for place in FeatureTable:
        kinds = {each.name: each for each in before.of(place)}
        for feature in declaration.of(place):
            was = kinds.get(feature.name, feature)
            if (was.kind, was.length) != (feature.kind, feature.length):
                raise InputError(
                    "SchemaChanged",
                    f"{place}.{feature.name} in {lake} is declared as {_kind(feature)}, and its "
                    f"rows were read as {_kind(was)}: give the feature another name (and set "
                    "column), or rename the model",
                )


def _kind(feature: Feature) -> str:
    return feature.kind + (f" of length {feature.length}" if feature.length else "")


def check_types(lake: Path, name: str, columns: pl.Schema) -> None:
    """Check that the newest version of a table has no column of `columns` in another type.

    Raises InputError `SchemaChanged` with the table, the column and both types.
    """
    try:
        table = DeltaTable(str(lake / name))
    except TableNotFoundError:
        return
    for column, found in pl.scan_delta(table).collect_schema().items():
        if column in columns and columns[column] != found:
            raise InputError(
                "SchemaChanged",
                f"the column {column} of the table {name} in {lake} has the type {found}, but "
                f"{columns[column]} is declared now, and a column keeps its type: give the "
                "feature another name (and set column), or rename the model",
            )


def scan(lake: Path, name: str, columns: pl.Schema) -> pl.LazyFrame:
    """Return the newest rows of a table as a lazy frame: null in missing columns, no rows if the
    table is missing."""
    try:
        table = DeltaTable(str(lake / name))
    except TableNotFoundError:
        return pl.LazyFrame(schema=columns)
    return select(pl.scan_delta(table), columns)


def select(rows: pl.LazyFrame, columns: pl.Schema) -> pl.LazyFrame:
    """Return exactly these columns in these types; null where `rows` lack them."""
    found = rows.collect_schema().names()
    return rows.select(
        (pl.col(column) if column in found else pl.lit(None)).cast(kind).alias(column)
        for column, kind in columns.items()
    )


def newest(lake: Path, name: str) -> int | None:
    """Return the newest version of a table, or None if the table is missing."""
    try:
        return DeltaTable(str(lake / name)).version()
    except TableNotFoundError:
        return None


def sort(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Sort rows in the order that digests and training rely on."""
    first = _ORDER[name] if name == "interactions" else _key(name, frame)
    ties = [column for column in frame.columns if column not in first]
    return frame.sort([*first, *ties] if name == "interactions" else first)


def _key(name: str, frame: pl.DataFrame) -> list[str]:
    """Return the columns that identify a row of users or items."""
    history = [each for each in (row_times.COLUMN,) if each in frame.columns]
    return [*_ORDER[name], *history]


def _has_history(lake: Path, name: str) -> bool:
    return row_times.COLUMN in pl.scan_delta(DeltaTable(str(lake / name))).collect_schema()


def _side_rows(name: str, table: DeltaTable, columns: pl.Schema) -> pl.DataFrame:
    rows = pl.scan_delta(table)
    had, has = (row_times.COLUMN in each for each in (rows.collect_schema(), columns))
    if name in ("users", "items") and had != has:
        read = {each: kind for each, kind in columns.items() if each != row_times.COLUMN}
        read |= {row_times.COLUMN: pl.Int64()} if had else {}
        found = select(rows, pl.Schema(read)).collect()
        rows = row_times.reshaped(found, _ORDER[name][0], columns).lazy()
    return select(rows, columns).collect()
