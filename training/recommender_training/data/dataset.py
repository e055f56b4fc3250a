"""The columnar data set: sorted arrays of events with indices into sorted users and items.

Legend of shapes: N events, U users, I items, G genres.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender_training.common.arrays import Bools, Floats, Ints, Places
from recommender_training.data import schema
from recommender_training.data.lake import Tables

#: Genre of items without one.
NO_GENRE = "unknown"


@dataclass(frozen=True)
class Items:
    """The catalogue, sorted by raw id."""

    ids: Ints  # [I]
    genres: Floats  # [I, G] zero or one
    primary_genre: Ints  # [I] index of the first genre
    years: Ints  # [I] year of release, 0 unknown
    genre_names: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of items."""
        return len(self.ids)


@dataclass(frozen=True)
class Users:
    """The known users, sorted by raw id."""

    ids: Ints  # [U]
    side: Ints  # [U, 3] age in years, index of gender, index of occupation; -1 unknown
    genders: tuple[str, ...]
    occupations: tuple[str, ...]
    segments: tuple[str, ...] = ()
    segment: Ints | None = None  # [U] index of the segment, -1 unknown; None: no segments

    @property
    def count(self) -> int:
        """Number of users."""
        return len(self.ids)


@dataclass(frozen=True)
class Events:
    """Interactions, sorted by time, user and item; `build` makes them 20 bytes each."""

    user: Places  # [N] row in Users
    item: Places  # [N] row in Items
    value: Floats  # [N]
    time: Ints  # [N] seconds since 1970

    def __len__(self) -> int:
        return len(self.time)

    @property
    def label(self) -> Bools:
        """Whether each response is positive, [N]."""
        return self.value >= schema.POSITIVE_VALUE

    def take(self, rows: Places | Bools) -> Events:
        """Return the events at these rows, which must be in the order of time."""
        return Events(self.user[rows], self.item[rows], self.value[rows], self.time[rows])


@dataclass(frozen=True)
class Dataset:
    """Events, users and items of a data version."""

    events: Events
    users: Users
    items: Items


def build(tables: Tables) -> Dataset:
    """Return the data set of the tables of a data version."""
    interactions = tables.interactions.sort("timestamp", "user_id", "item_id", "value")
    return assemble([interactions], interactions.height, tables.users, tables.items)


def assemble(
    parts: Iterable[pl.DataFrame], rows: int, users: pl.DataFrame, items: pl.DataFrame
) -> Dataset:
    """Return the data set of interactions that arrive in parts, with at most `rows` rows.

    Parts and their rows must be sorted by time, user and item. Holds one part at a time beside the
    arrays.
    """
    known, catalogue = _users(users), _items(items)
    user, item = np.empty(rows, dtype=np.int32), np.empty(rows, dtype=np.int32)
    value, time = np.empty(rows, dtype=np.float32), np.empty(rows, dtype=np.int64)
    end = 0
    for part in parts:
        at = slice(end, end + part.height)
        user[at] = np.searchsorted(known.ids, part["user_id"].to_numpy())
        item[at] = np.searchsorted(catalogue.ids, part["item_id"].to_numpy())
        value[at] = part["value"].to_numpy()
        time[at] = part["timestamp"].to_numpy()
        end = at.stop
    return Dataset(Events(user[:end], item[:end], value[:end], time[:end]), known, catalogue)


def _users(frame: pl.DataFrame) -> Users:
    frame = frame.sort("user_id")
    genders = tuple(sorted(frame["gender"].drop_nulls().unique().to_list()))
    occupations = tuple(sorted(frame["occupation"].drop_nulls().unique().to_list()))
    segment = frame["segment"].replace("unknown", None)
    segments = tuple(sorted(segment.drop_nulls().unique().to_list()))
    side = np.stack(
        [
            frame["age"].fill_null(-1).to_numpy().astype(np.int64),
            _codes(frame["gender"], genders),
            _codes(frame["occupation"], occupations),
        ],
        axis=1,
    )
    ids = frame["user_id"].to_numpy().astype(np.int64)
    return Users(ids, side, genders, occupations, segments, _codes(segment, segments))


def _codes(values: pl.Series, categories: tuple[str, ...]) -> Ints:
    index = {category: code for code, category in enumerate(categories)}
    codes = [-1 if value is None else index[value] for value in values.to_list()]
    return np.array(codes, dtype=np.int64)


def _items(frame: pl.DataFrame) -> Items:
    frame = frame.sort("item_id")
    lists = [(text or "").split() or [NO_GENRE] for text in frame["genres"].to_list()]
    names = tuple(sorted({genre for genres in lists for genre in genres}))
    index = {name: code for code, name in enumerate(names)}
    hot = np.zeros((len(lists), len(names)), dtype=np.float32)
    for row, genres in enumerate(lists):
        hot[row, [index[genre] for genre in genres]] = 1.0
    return Items(
        ids=frame["item_id"].to_numpy().astype(np.int64),
        genres=hot,
        primary_genre=np.array([index[genres[0]] for genres in lists], dtype=np.int64),
        years=frame["release_year"].fill_null(0).to_numpy().astype(np.int64),
        genre_names=names,
    )
