"""Rows of one user or item that count from the same time and say different things."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

REASON = "ConflictingRow"


def split(rows: pl.DataFrame, key: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of one file without those that contradict an earlier one, and these.

    `rows` have `_line` and `_row`, and the others `line`, `row` and `reason`. Two rows with the
    same `key` and values are no conflict: a file may repeat itself.
    """
    values = [name for name in rows.columns if name not in ("_line", "_row")]
    firsts = rows.select(values).unique(key, keep="first", maintain_order=True)
    again = rows.join(firsts, on=values, how="anti", nulls_equal=True, maintain_order="left")
    good = rows.join(firsts, on=values, how="semi", nulls_equal=True, maintain_order="left")
    bad = again.select("_line", "_row", pl.lit(REASON).alias("reason"))
    return good, bad.rename({"_line": "line", "_row": "row"})
