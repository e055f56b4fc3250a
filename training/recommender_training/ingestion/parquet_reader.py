"""Read Parquet files in batches, with each mapped column as the text of the other formats."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Facts
from pathlib import Path

import polars as pl

from recommender_contract.features import Kind, TimeOf
from recommender_training.common.errors import InputError
from recommender_training.ingestion import raw_columns, texts
from recommender_training.ingestion.lines import MAX_ROW_TEXT
from recommender_training.ingestion.mapping import Interactions, SideTable, Table, field_of


def read_parquet(
    path: Path,
    table: Table,
    name: str,
    batch_rows: int,
    given: Facts[str, str | None] | None = None,
) -> Iterator[pl.DataFrame]:
    """Yield batches of all rows of a file (`readers.read_batches`).

    Raises InputError: UnreadableData, UnknownColumns.
    """
    fields = table.fields()
    units, lists = _units(table), table.lists()
    try:
        scan = _scan(path, given or {})
        found = scan.collect_schema()
        raw_columns.check_columns(path, name, fields, found.names())
        texts = [
            (
                _list(column)
                if field in lists and isinstance(found[column], pl.List | pl.Array)
                else _text(path, field, column, found[column], units.get(field))
            ).alias(f"raw_{field}")
            for field, column in fields.items()
        ]
        batches = scan.select(texts).collect_batches(chunk_size=batch_rows, maintain_order=True)
        line = 1
        for batch in batches:
            yield _numbered(batch, fields, line)
            line += batch.height
        # a reader that fails in the middle of a file may stop without an error
        rows = int(scan.select(pl.len()).collect().item())
        if line - 1 != rows:
            raise OSError(f"only {line - 1} of its {rows} rows are readable")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            "UnreadableData",
            f"{path} is not a readable Parquet file ({str(error)[:200]}); write it again",
        ) from error


def _scan(path: Path, given: Facts[str, str | None]) -> pl.LazyFrame:
    """Scan a file, and add the `given` columns that it lacks."""
    scan = pl.scan_parquet(path, glob=False)
    missing = given.keys() - set(scan.collect_schema().names())
    return scan.with_columns(
        pl.lit(given[each], pl.String).alias(each) for each in given if each in missing
    )


def _numbered(batch: pl.DataFrame, fields: dict[str, str], line: int) -> pl.DataFrame:
    """Add the number of each row and the JSON of its mapped columns."""
    named = {column: pl.col(f"raw_{field}").alias(column) for field, column in fields.items()}
    row = pl.struct(*named.values()).struct.json_encode().str.slice(0, MAX_ROW_TEXT)
    return batch.select(
        pl.int_range(line, line + batch.height, dtype=pl.Int64).alias("line"),
        row.alias("row"),
        pl.lit(None, dtype=pl.String).alias("reason"),
        *(f"raw_{field}" for field in fields),
    )


def _units(table: Table) -> dict[str, TimeOf]:
    """Return the unit of each field that may be a typed time."""
    units = {
        field_of(feature): feature.unit or TimeOf.SECONDS
        for feature in table.features
        if feature.kind is Kind.TIMESTAMP
    }
    if isinstance(table, Interactions):
        units["timestamp"] = TimeOf(table.timestamp_unit)
    if isinstance(table, SideTable):
        units["valid_from"] = TimeOf(table.valid_from_unit or TimeOf.SECONDS)
    return units


def _list(column: str) -> pl.Expr:
    """Write a list as one text."""
    entries = pl.col(column).cast(pl.List(pl.String))
    told = entries.list.eval(pl.element().fill_null(raw_columns.NULL_ENTRY))
    return told.list.join(raw_columns.LIST_SEPARATOR)


def _text(path: Path, field: str, column: str, kind: pl.DataType, unit: TimeOf | None) -> pl.Expr:
    value = pl.col(column)
    if unit is not None and kind.base_type() in (pl.Datetime, pl.Date):
        value = value.cast(pl.Datetime("us")) if kind == pl.Date else value
        return _exact(value, unit) if field == "valid_from" else _time(value, unit)
    if kind.is_float():
        return pl.when(value.is_not_nan()).then(value.cast(pl.String))
    if kind.is_nested() or kind.base_type() in (pl.Binary, pl.Object):
        raise InputError(
            "UnreadableData",
            f"{path}: column {column!r} ({field}) has the type {kind}; write it as text or "
            "numbers, or map another column",
        )
    return value.cast(pl.String)


def _exact(value: pl.Expr, unit: TimeOf) -> pl.Expr:
    """As `_time`, with fractions of the unit, which decide from which second on a row counts."""
    if unit is TimeOf.ISO8601:
        return _time(value, unit)
    return (value.dt.epoch("us") / (10**6 // texts.PER_SECOND[unit])).cast(pl.String)


def _time(value: pl.Expr, unit: TimeOf) -> pl.Expr:
    """Write a typed time as text in the declared unit."""
    if unit is TimeOf.ISO8601:
        # a time without a zone is UTC; one with a zone is converted
        micros = pl.from_epoch(value.dt.epoch("us"), time_unit="us")
        return micros.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    if unit is TimeOf.YEAR:
        return pl.from_epoch(value.dt.epoch("us"), time_unit="us").dt.year().cast(pl.String)
    return (value.dt.epoch("us") // (10**6 // texts.PER_SECOND[unit])).cast(pl.String)
