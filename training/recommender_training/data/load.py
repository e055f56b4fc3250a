"""Load the data set of a data version in parts, so that memory grows only with the arrays.

The digest is computed on the way, so that training reads exactly the content of the version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recommender_training.common.errors import InputError
from recommender_training.data import dataset, lake, ordered, schema, splits
from recommender_training.data.dataset import Dataset


@dataclass(frozen=True)
class Side:
    """The tables beside the interactions, sorted by id."""

    users: pl.DataFrame
    items: pl.DataFrame


def load(path: Path, data_version: str, window_days: int | None) -> tuple[Side, Dataset]:
    """Return users, items, and the data set of the last `window_days` (None: all).

    Raises InputError: `DataVersionMissing` if the version is missing or its content has changed,
    `NoRowsInWindow`.
    """
    with lake.intact(path, data_version):
        scans = lake.scan_version(path, data_version)
        users = _table(scans["users"], "users", schema.USERS_SCHEMA)
        items = _table(scans["items"], "items", schema.ITEMS_SCHEMA)
        rows = _cast(scans["interactions"], schema.INTERACTIONS_SCHEMA)
        first, last, count = _window(rows, window_days)
        digest = lake.Digest()
        parts = digest.over(ordered.by_time(rows))
        data = dataset.assemble(_within(parts, first, last), count, users, items)
        for table in (users, items):
            list(digest.over([table]))
    if digest.text() != lake.digest_of(data_version):
        raise lake.changed(path, data_version)
    return Side(users, items), data


def verify(path: Path, data_version: str, window_days: int | None) -> tuple[int, int, int]:
    """Return first and last second of the window of a data version, and the number of its rows.

    Reads all rows of the version and verifies the digest. Raises InputError: `DataVersionMissing`
    if the version is missing or its content has changed, `NoRowsInWindow`.
    """
    with lake.intact(path, data_version):
        scans = lake.scan_version(path, data_version)
        rows = _cast(scans["interactions"], schema.INTERACTIONS_SCHEMA)
        users = _table(scans["users"], "users", schema.USERS_SCHEMA)
        items = _table(scans["items"], "items", schema.ITEMS_SCHEMA)
        if lake.content_digest(ordered.by_time(rows), users, items) != lake.digest_of(
            data_version
        ):
            raise lake.changed(path, data_version)
        return _window(rows, window_days)


def _window(rows: pl.LazyFrame, window_days: int | None) -> tuple[int, int, int]:
    """Return first and last second of the window, and the number of its rows."""
    time = pl.col("timestamp")
    oldest, newest = (
        rows.select(time.min().alias("first"), time.max().alias("last"))
        .collect(engine="streaming")
        .row(0)
    )
    if oldest is None:
        raise InputError("NoRowsInWindow", "no interaction is usable; see the quarantine table")
    first, last = splits.window(int(oldest), int(newest), window_days)
    inside = rows.filter(time.is_between(first, last)).select(pl.len())
    return first, last, int(inside.collect(engine="streaming").item())


def _within(parts: Iterator[pl.DataFrame], first: int, last: int) -> Iterator[pl.DataFrame]:
    for part in parts:
        yield part.filter(pl.col("timestamp").is_between(first, last))


def _table(rows: pl.LazyFrame, name: str, columns: pl.Schema) -> pl.DataFrame:
    return lake.sort(name, _cast(rows, columns).collect())


def _cast(rows: pl.LazyFrame, columns: pl.Schema) -> pl.LazyFrame:
    return rows.select(pl.col(name).cast(kind) for name, kind in columns.items())
