"""Rows of one user or item that count from the same time and say different things."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

REASON = "ConflictingRow"
#: Seconds from the time that a row states to the whole second that it counts from.
AHEAD = "_ahead"
#: What no model reads, so that rows may differ in it.
_UNREAD = ("title",)
_OF_FILE = ("_line", "_row", AHEAD)


def split(rows: pl.DataFrame, key: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of one file without those that contradict an earlier one, and these.

    `rows` have `_line`, `_row` and AHEAD, and the others `line`, `row` and `reason`. Two rows with
    the same `key` and values are no conflict: a file may repeat itself. Neither are two times
    within a second: the later row counts, and the other one never did.
    """
    rows = rows.filter(pl.col(AHEAD) == pl.col(AHEAD).min().over(list(key)))
    values = [name for name in rows.columns if name not in (*_OF_FILE, *_UNREAD)]
    firsts = rows.select(values).unique(key, keep="first", maintain_order=True)
    again = rows.join(firsts, on=values, how="anti", nulls_equal=True, maintain_order="left")
    good = rows.join(firsts, on=values, how="semi", nulls_equal=True, maintain_order="left")
    bad = again.select("_line", "_row", pl.lit(REASON).alias("reason"))
    return good, bad.rename({"_line": "line", "_row": "row"})


def settled(files: Sequence[pl.DataFrame], key: Sequence[str]) -> tuple[pl.DataFrame, int]:
    """Return one row a `key`, and how many of them several of the `files` state differently.

    The latest of a second counts, then that of the last file.
    """
    rows = pl.concat(files)
    if AHEAD in rows.columns:
        rows = rows.sort(AHEAD, descending=True, maintain_order=True)
    read = [name for name in rows.columns if name not in (AHEAD, *_UNREAD)]
    kept = rows.unique(key, keep="last", maintain_order=True)
    if AHEAD not in rows.columns:
        return kept, 0
    said = rows.unique([*read, AHEAD]).group_by([*key, AHEAD]).len()
    return kept.drop(AHEAD), said.filter(pl.col("len") > 1).select(key).n_unique()
