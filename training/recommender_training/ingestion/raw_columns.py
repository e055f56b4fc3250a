"""Columns of raw files, for all formats: which are required, and how a row gets its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from recommender_training.common.errors import InputError

#: Between the entries of a list, as a genre column of JSON or Parquet may hold.
LIST_SEPARATOR = "\x1f"
#: What a row cannot do without; in JSON lines others may be left out where they are null.
REQUIRED = {
    "interactions": ("user", "item", "timestamp"),
    "users": ("id",),
    "items": ("id",),
}
_NAMED = 50
_INTEGER = r"^\+?([0-9]{1,18})(?:\.0*)?$"


def check(path: Path, table: str, fields: Mapping[str, str], found: Sequence[str]) -> None:
    """Every mapped column (`fields`: what it is, its name) has to be found.

    Raises InputError `UnknownColumns` with those missing, those found and the remedy.
    """
    missing = [f"{column!r} ({field})" for field, column in fields.items() if column not in found]
    if not missing:
        return
    names = ", ".join(repr(column[:64]) for column in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    raise InputError(
        "UnknownColumns",
        f"{path}: no column {', '.join(missing)}; found: {names}{more}; name one of these in "
        f"mapping.{table}, or add the column to the file",
    )


def flag(frame: pl.DataFrame, bad: pl.Expr, reason: str) -> pl.DataFrame:
    """Give the rows where `bad` holds, or is null, this reason, unless they have one already."""
    flagged = pl.when(pl.col("reason").is_null() & bad.fill_null(value=True))
    return frame.with_columns(flagged.then(pl.lit(reason)).otherwise("reason").alias("reason"))


def whole_number(name: str) -> pl.Expr:
    """A whole number from 0, also as `5.0`, which is how writers with gaps in a column have it."""
    return pl.col(name).str.extract(_INTEGER).str.to_integer(strict=False, dtype=pl.Int64)
