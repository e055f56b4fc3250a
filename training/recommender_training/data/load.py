"""Load the data set of a data version in parts, so that memory grows only with the arrays.

The digest is computed on the way, so that training reads exactly the content of the version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from recommender_training.common.errors import InputError
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import (
    data_versions,
    dataset,
    lake,
    negatives,
    row_times,
    splits,
    training_window,
    version_content,
)
from recommender_training.data.dataset import Dataset
from recommender_training.data.exploration_log import ExplorationLog
from recommender_training.data.feature_encoding import FeatureEncoding
from recommender_training.data.labels import Labelling
from recommender_training.data.lake import interactions_in_order


@dataclass(frozen=True)
class Side:
    """The tables beside the interactions, sorted by id, and the declaration of all columns."""

    users: pl.DataFrame
    items: pl.DataFrame
    declaration: FeatureSchema


def load_dataset(path: Path, data_version: str, window_days: int | None) -> tuple[Side, Dataset]:
    """Return users, items, declaration, and the data set of the last `window_days` (None: all).

    Raises InputError: `DataVersionMissing` if the version is missing or its content has changed,
    `NoRowsInWindow`.
    """
    scans = version_content.scan_version(path, data_version)
    with version_content.intact(path, data_version):
        users, items = _sides(scans)
        rows = scans.tables["interactions"]
        first, last, count = _window(rows, window_days)
        digest = version_content.Digest(scans.declaration)
        parts = digest.over(interactions_in_order(rows))
        inside = rows.filter(pl.col("timestamp").is_between(first, last))
        label = scans.declaration.label
        labelling = None if label is None else Labelling.of(label, inside, last)
        until = training_window.end(inside, labelling)
        people = row_times.current(users, "user_id", first)
        things = row_times.current(items, "item_id", first)
        coded = FeatureEncoding.of(scans.declaration, people, things, inside, until)
        inside_parts = _within(parts, first, last)
        data = dataset.assemble(inside_parts, count, people, things, coded, labelling)
        for table in (users, items, *(() if scans.explored is None else (scans.explored,))):
            list(digest.over([table]))
    if digest.text() != data_versions.digest_of(data_version):
        raise version_content.changed(path, data_version)
    found = negatives.add_negatives(data)
    if scans.explored is not None:
        loaded = scans.explored.filter(pl.col("timestamp").is_between(first, last))
        places = ExplorationLog.of(loaded, found.users.ids, found.items.ids)
        found = replace(found, explored=places)
    return Side(users, items, scans.declaration), found


def verify_version(path: Path, data_version: str, window_days: int | None) -> tuple[int, int, int]:
    """Return first and last second of the window of a data version, and the number of its rows.

    Reads all rows of the version and verifies the digest. Raises InputError: `DataVersionMissing`
    if the version is missing or its content has changed, `NoRowsInWindow`.
    """
    scans = version_content.scan_version(path, data_version)
    with version_content.intact(path, data_version):
        rows = scans.tables["interactions"]
        users, items = _sides(scans)
        found = version_content.content_digest(
            scans.declaration,
            interactions_in_order(rows),
            users,
            items,
            scans.explored,
        )
        if found != data_versions.digest_of(data_version):
            raise version_content.changed(path, data_version)
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


def _sides(scans: version_content.Scans) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read users and items, each sorted by id."""
    users, items = (lake.sort(name, scans.tables[name].collect()) for name in ("users", "items"))
    return users, items
