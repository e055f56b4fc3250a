"""Small data sets of declared features, for unit tests: from rows, by way of the real tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import dataset, schema
from recommender_training.data.dataset import Dataset
from recommender_training.data.version_content import Tables
from recommender_training.ingestion import raw

#: User, item, value and time in seconds of an event, and what is declared of its context.
Event = tuple[int, int, float, int] | tuple[int, int, float, int, Mapping[str, Any]]
#: That of MovieLens: age, gender, occupation; genre, release_year.
MOVIES = raw.declaration()


def build(
    events: Iterable[Event],
    users: Sequence[Mapping[str, Any]],
    items: Sequence[Mapping[str, Any]],
    declared: FeatureSchema = MOVIES,
) -> Dataset:
    """The data set of these events (`tables`)."""
    return dataset.build_dataset(tables(events, users, items, declared))


def tables(
    events: Iterable[Event],
    users: Sequence[Mapping[str, Any]],
    items: Sequence[Mapping[str, Any]],
    declared: FeatureSchema = MOVIES,
) -> Tables:
    """The tables of these events. `users` and `items` have their ids, as `id`, and any of the
    declared features; a user may have a `segment`.
    """
    columns = schema.tables(declared)
    rows = [
        {"user_id": user, "item_id": item, "value": value, "timestamp": time, **dict(*context)}
        for user, item, value, time, *context in events
    ]
    of_users = [{"segment": "unknown", **each, "user_id": each["id"]} for each in users]
    of_items = [{**each, "item_id": each["id"]} for each in items]
    frames = {
        name: pl.DataFrame(
            [{column: row.get(column) for column in columns[name].names()} for row in found],
            schema=columns[name],
        )
        for name, found in (("interactions", rows), ("users", of_users), ("items", of_items))
    }
    return Tables(**frames, declaration=declared)
