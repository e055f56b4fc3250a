"""Read the interactions of a table in order, some days at a time."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from recommender_training.data import lake

#: Rows of a part, unless a single day has more: some tens of megabytes.
PART_ROWS = 250_000


def by_time(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Yield sorted parts, in the order that digests and training rely on."""
    day = pl.col("event_date").str.slice(0, 10)
    days = rows.group_by(day.alias("day")).len().collect(engine="streaming").sort("day")
    start, held = 0, 0
    for at, (_, count) in enumerate(days.iter_rows()):
        held += count
        if held >= PART_ROWS or at == days.height - 1:
            first, last = days["day"][start], days["day"][at]
            # the name of an hourly partition starts with its day: 2026-11-25T13
            inside = (pl.col("event_date") >= first) & (pl.col("event_date") < last + "U")
            yield lake.sort("interactions", rows.filter(inside).collect())
            start, held = at + 1, 0
