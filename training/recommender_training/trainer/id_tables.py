"""Shared rows of rare ids in the embedding tables of a fit."""

from __future__ import annotations

import numpy as np

from recommender_training.common.arrays import Ints, Places
from recommender_training.config.training import Hyperparameters
from recommender_training.data import id_rows
from recommender_training.data.dataset import Dataset
from recommender_training.data.id_rows import IdRows, IdTables

#: Ids from which on rare ones share rows by default, and the events that make one of them rare no
#: more (ADR 0046).
MANY_IDS, LEAST_EVENTS = 50_000, 5
#: Rows that rare ids share by default.
BUCKETS = 10_000


def least_events(ids: int, settings: Hyperparameters) -> int:
    """Events from which on an id has a row of its own; 1 where each has one."""
    if settings.min_id_events is not None:
        return settings.min_id_events
    return LEAST_EVENTS if ids >= MANY_IDS else 1


def of_users(data: Dataset, rows: Ints, settings: Hyperparameters) -> IdRows:
    """The table of users for a fit on these `rows`."""
    return _assign(data.users.ids, data.events.user, rows, settings)


def of_items(data: Dataset, rows: Ints, settings: Hyperparameters) -> IdRows:
    """The table of items for a fit on these `rows`."""
    return _assign(data.items.ids, data.events.item, rows, settings)


def id_tables(data: Dataset, rows: Ints, settings: Hyperparameters) -> IdTables:
    """Both tables."""
    return IdTables(of_users(data, rows, settings), of_items(data, rows, settings))


def _assign(ids: Ints, named: Places, rows: Ints, settings: Hyperparameters) -> IdRows:
    least = least_events(len(ids), settings)
    if least == 1:
        return IdRows.own(len(ids))
    events = np.bincount(named[rows], minlength=len(ids))
    return id_rows.assign(ids, events, least, settings.id_buckets or BUCKETS)
