"""The interactions of a window, some days at a time.

One query over a large table may hold more of it than a check may take; days are partitions, so a
part is read for itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

#: Rows that are held at a time, where no single day has more. Smaller tables are read once.
PART_ROWS = 500_000
_DAY, _HOUR = 86_400, 3600


def of_window(rows: pl.LazyFrame, first: int, last: int) -> Iterator[pl.DataFrame]:
    """All rows from one second to another, in the order of their days."""
    day = pl.col("event_date").str.slice(0, 10)
    inside = rows.filter(between(first, last))
    counts = inside.group_by(day.alias("day")).len().collect(engine="streaming").sort("day")
    start, held = 0, 0
    for at, count in enumerate(counts["len"].to_list()):
        held += int(count)
        if held >= PART_ROWS or at == counts.height - 1:
            yield inside.filter(_days(counts["day"][start], counts["day"][at])).collect()
            start, held = at + 1, 0


def times_of_hour(rows: pl.LazyFrame, hour: int) -> pl.Series:
    """Sorted times of the rows of an hour, counted from 1970."""
    first = hour * _HOUR
    inside = rows.filter(between(first, first + _HOUR - 1))
    return inside.select("timestamp").collect()["timestamp"].sort()


def between(first: int, last: int) -> pl.Expr:
    """Rows between two times, by their partition first, so that other days are not read."""
    names = [
        str(pl.select(pl.from_epoch(pl.lit(time), time_unit="s").dt.strftime("%Y-%m-%d")).item())
        for time in (first, last)
    ]
    return _days(*names) & pl.col("timestamp").is_between(first, last)


def _days(first: str, last: str) -> pl.Expr:
    # a partition of an hour is named after its day: 2026-11-25T13
    return (pl.col("event_date") >= first) & (pl.col("event_date") < last + "U")
