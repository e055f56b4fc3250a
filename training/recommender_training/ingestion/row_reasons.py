"""How a row gets its reason, shared by all formats."""

from __future__ import annotations

import polars as pl

_INTEGER = r"^\+?([0-9]{1,18})(?:\.0*)?$"


def flag(frame: pl.DataFrame, bad: pl.Expr, reason: str) -> pl.DataFrame:
    """Give the rows where `bad` holds, or is null, this reason, unless they have one already."""
    flagged = pl.when(pl.col("reason").is_null() & bad.fill_null(value=True))
    return frame.with_columns(flagged.then(pl.lit(reason)).otherwise("reason").alias("reason"))


def whole_number(name: str) -> pl.Expr:
    """A whole number from 0, also as `5.0`, which is how writers with gaps in a column have it."""
    return pl.col(name).str.extract(_INTEGER).str.to_integer(strict=False, dtype=pl.Int64)
