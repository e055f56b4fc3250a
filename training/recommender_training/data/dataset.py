"""The columnar data set: events as sorted arrays that point into sorted users and items.

Legend of shapes: N events, U users, I items, G genres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from recommender_training.data import schema
from recommender_training.data.lake import Tables

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

#: The genre of items that name none.
NO_GENRE = "unknown"


@dataclass(frozen=True)
class Items:
    """The catalogue, sorted by raw id."""

    ids: Ints  # [I]
    genres: Floats  # [I, G] zero or one
    primary_genre: Ints  # [I] index of the first genre named
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
    segment: Ints | None = None  # [U] index of the segment, -1 unknown; None: nobody has one

    @property
    def count(self) -> int:
        """Number of users."""
        return len(self.ids)


@dataclass(frozen=True)
class Events:
    """Interactions, sorted by time, then user, then item."""

    user: Ints  # [N] row in Users
    item: Ints  # [N] row in Items
    value: Floats  # [N]
    time: Ints  # [N] seconds since 1970

    def __len__(self) -> int:
        return len(self.time)

    @property
    def label(self) -> Bools:
        """Positive responses."""
        return self.value >= schema.POSITIVE_VALUE

    def take(self, rows: Ints | Bools) -> Events:
        """The events at these rows, whose order has to be that of time."""
        return Events(self.user[rows], self.item[rows], self.value[rows], self.time[rows])


@dataclass(frozen=True)
class Dataset:
    """All that training reads."""

    events: Events
    users: Users
    items: Items


def build(tables: Tables, first_time: int | None = None, last_time: int | None = None) -> Dataset:
    """The data set of a data version, with the events from `first_time` to `last_time`."""
    users, items = _users(tables.users), _items(tables.items)
    frame = tables.interactions
    if first_time is not None:
        frame = frame.filter(pl.col("timestamp") >= first_time)
    if last_time is not None:
        frame = frame.filter(pl.col("timestamp") <= last_time)
    user = np.searchsorted(users.ids, frame["user_id"].to_numpy())
    item = np.searchsorted(items.ids, frame["item_id"].to_numpy())
    value = frame["value"].to_numpy().astype(np.float32)
    time = frame["timestamp"].to_numpy().astype(np.int64)
    order = np.lexsort((item, user, time))
    events = Events(
        user[order].astype(np.int64), item[order].astype(np.int64), value[order], time[order]
    )
    return Dataset(events, users, items)


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
