"""Required columns and the missing-column error, for all formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from recommender_training.common.errors import InputError

#: Separates the entries of a list column of JSON or Parquet.
LIST_SEPARATOR = "\x1f"
#: Stands for a null among them.
NULL_ENTRY = "\x1e"
#: Required fields. Rows of JSON lines may omit all others if they are null.
REQUIRED = {
    "interactions": ("user", "item", "timestamp"),
    "users": ("id",),
    "items": ("id",),
}
_MAX_LISTED = 50
_INTEGER = r"^\+?([0-9]{1,18})(?:\.0*)?$"


def check_columns(path: Path, table: str, fields: Mapping[str, str], found: Sequence[str]) -> None:
    """Check that every mapped column (`fields`: column by field) is present.

    Raises InputError `UnknownColumns` with the missing columns, the present ones and the remedy.
    """
    absent = {field: column for field, column in fields.items() if column not in found}
    if not absent:
        return
    missing = [f"{column!r} ({field})" for field, column in absent.items()]
    declared = all(field.startswith("features.") for field in absent)
    where = f"mapping.{table}.features" if declared else f"mapping.{table}"
    names = ", ".join(repr(column[:64]) for column in found[:_MAX_LISTED])
    more = f" and {len(found) - _MAX_LISTED} more" if len(found) > _MAX_LISTED else ""
    raise InputError(
        "UnknownColumns",
        f"{path}: no column {', '.join(missing)}; found: {names}{more}; set one of these in "
        f"{where}, or add the column to the file",
    )


def flag(frame: pl.DataFrame, bad: pl.Expr, reason: str) -> pl.DataFrame:
    """Set the reason of rows where `bad` is true or null, unless they have one already."""
    flagged = pl.when(pl.col("reason").is_null() & bad.fill_null(value=True))
    return frame.with_columns(flagged.then(pl.lit(reason)).otherwise("reason").alias("reason"))


def whole_number(name: str) -> pl.Expr:
    """Parse a whole number from 0; accepts `5.0`, which writers of columns with nulls produce."""
    return pl.col(name).str.extract(_INTEGER).str.to_integer(strict=False, dtype=pl.Int64)
