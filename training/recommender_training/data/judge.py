"""How a row gets its reason, shared by all formats."""

from __future__ import annotations

import polars as pl


def flag(frame: pl.DataFrame, bad: pl.Expr, reason: str) -> pl.DataFrame:
    """Give the rows where `bad` holds, or is null, this reason, unless they have one already."""
    flagged = pl.when(pl.col("reason").is_null() & bad.fill_null(value=True))
    return frame.with_columns(flagged.then(pl.lit(reason)).otherwise("reason").alias("reason"))
