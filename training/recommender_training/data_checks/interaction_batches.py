"""Read the interactions of a window, some days at a time.

One query over a large table may exceed the memory of a check. Days are partitions, so each part is
read separately.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

#: Rows of a part, unless a single day has more. Smaller tables are read once.
PART_ROWS = 500_000
_DAY, _HOUR = 86_400, 3600


def of_window(rows: pl.LazyFrame, first: int, last: int) -> Iterator[pl.DataFrame]:
    """Yield the rows between two times in seconds, in the order of their days."""
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
    """Return the sorted times of the rows of an hour, counted from 1970."""
    first = hour * _HOUR
    inside = rows.filter(between(first, first + _HOUR - 1))
    return inside.select("timestamp").collect()["timestamp"].sort()


def between(first: int, last: int) -> pl.Expr:
    """Filter rows between two times; the partition comes first, so that other days stay unread."""
    names = [
        str(pl.select(pl.from_epoch(pl.lit(time), time_unit="s").dt.strftime("%Y-%m-%d")).item())
        for time in (first, last)
    ]
    return _days(*names) & pl.col("timestamp").is_between(first, last)


def _days(first: str, last: str) -> pl.Expr:
    # the name of an hourly partition starts with its day: 2026-11-25T13
    return (pl.col("event_date") >= first) & (pl.col("event_date") < last + "U")
