"""Facts of the columns of a table, by streaming aggregates: memory grows with no table."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

#: Categories of a column that a profile names, the commonest.
MAX_CATEGORIES = 200
#: Numeric columns by table, and the steps of one unit in which their values are counted.
NUMBERS = {
    "interactions": {"value": 100},
    "users": {"age": 1},
    "items": {"release_year": 1},
}
CATEGORIES = {
    "interactions": ("event_type", "segment"),
    "users": ("gender", "occupation"),
    "items": ("genres",),
}
_MAX_NAME = 64


def describe(name: str, rows: pl.LazyFrame) -> dict[str, Any]:
    """Rows, types, null shares, ranges and categories of a table."""
    types = {
        column: str(kind)
        for column, kind in rows.collect_schema().items()
        if column != "event_date"  # the partition of the timestamp
    }
    counted = rows.select(
        pl.len().alias("rows"), *[pl.col(column).null_count() for column in types]
    )
    counts = counted.collect(engine="streaming").row(0, named=True)
    total = int(counts["rows"])
    return {
        "rows": total,
        "columns": {
            column: {"type": kind, "nulls": round(counts[column] / total, 9) if total else 0.0}
            for column, kind in types.items()
        },
        "numbers": {
            column: numbers(rows, column, steps) for column, steps in NUMBERS[name].items()
        },
        "categories": {
            column: categories(rows, column) for column in CATEGORIES[name] if column in types
        },
    }


def numbers(rows: pl.LazyFrame, column: str, steps: int) -> dict[str, float] | None:
    """Least, largest, and the values that a hundredth, half and 99 of 100 rows do not exceed."""
    atom = (pl.col(column).cast(pl.Float64) * steps).round().cast(pl.Int64)
    counts = (
        rows.select(atom.alias("atom"))
        .drop_nulls()
        .group_by("atom")
        .len()
        .collect(engine="streaming")
        .sort("atom")
    )
    if counts.height == 0:
        return None
    atoms, up_to = counts["atom"], counts["len"].cum_sum()
    total = int(up_to[-1])

    def quantile(share: float) -> float:
        place = int(up_to.search_sorted(max(1, math.ceil(share * total))))
        return float(atoms[place]) / steps

    return {
        "least": float(atoms[0]) / steps,
        "low": quantile(0.01),
        "median": quantile(0.5),
        "high": quantile(0.99),
        "largest": float(atoms[-1]) / steps,
    }


def categories(rows: pl.LazyFrame, column: str) -> dict[str, Any]:
    """Rows of each category, the commonest first, and the rows of those not named.

    An item of several genres counts for each.
    """
    value = pl.col(column)
    if column == "genres":
        value = value.str.split(" ").explode(empty_as_null=True)
    counts = (
        rows.select(value.str.slice(0, _MAX_NAME).alias("name"))
        .drop_nulls()
        .group_by("name")
        .len()
        .collect(engine="streaming")
        .sort(["len", "name"], descending=[True, False])
    )
    named = counts.head(MAX_CATEGORIES)
    return {
        "counts": dict(named.iter_rows()),
        "others": int(counts["len"].sum()) - int(named["len"].sum()),
    }
