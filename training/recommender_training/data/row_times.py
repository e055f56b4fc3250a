"""Point-in-time rows of users and items, of tables with several for each (`validFrom`).

A row counts from its `validFrom` on, up to the next one of its owner, a user or an item; before
the first one nothing is known. Memory follows the rows, never owners times moments.

Legend of shapes: V rows of the table, R requests, M different moments.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender_contract.bands import UNKNOWN
from recommender_training.common.arrays import Bools, Ints, Places

#: When a row without `validFrom` begins: of an id that occurs in events alone.
ALWAYS = -(2**62)
#: A time that every row has begun at.
END = 2**62
COLUMN = "valid_from"


@dataclass(frozen=True)
class RowTimes:
    """Owners and times of the rows of a table, one owner after another, the oldest first."""

    owner: Ints  # [V] ascending; every owner from 0 on has a row
    since: Ints  # [V] seconds since 1970

    def places(self, owners: Places, times: Ints) -> Ints:
        """Return [R] the row of each of these owners that counts at `times` [R]; -1 is none.

        Shapes broadcast.
        """
        wanted = np.asarray(owners, dtype=np.int64)
        begun = np.searchsorted(self.moments, times, side="right")
        place = np.searchsorted(self.keys, wanted * self.stride + begun, side="left") - 1
        known = (place >= 0) & (self.owner[place] == wanted)
        return np.where(known, place, -1)

    @property
    def count(self) -> int:
        """Number of owners."""
        return int(self.owner[-1]) + 1 if len(self.owner) else 0

    def first(self, known: Bools) -> Bools:
        """Return [V] whether a row is the first one of its owner among those `known` [V]."""
        rows = np.flatnonzero(known)
        owners = self.owner[rows]
        found = np.zeros(len(known), dtype=np.bool_)
        found[rows[np.r_[True, owners[1:] != owners[:-1]][: len(rows)]]] = True
        return found

    @property
    def newest(self) -> Ints:
        """The last row of each owner."""
        return np.flatnonzero(np.r_[self.owner[1:] != self.owner[:-1], True][: len(self.owner)])

    @functools.cached_property
    def moments(self) -> Ints:
        """[M] the different first seconds, ascending."""
        return np.unique(self.since)

    @property
    def stride(self) -> int:
        """Distance between the keys of two owners."""
        return len(self.moments) + 1

    @functools.cached_property
    def keys(self) -> Ints:
        """[V] owner and place among the moments of each row as one number, ascending."""
        return self.owner * self.stride + np.searchsorted(self.moments, self.since)


def newest(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    """Return the newest row of each id in the column `key`, sorted by id."""
    if COLUMN not in frame.columns:
        return frame.sort(key)
    return ordered(frame, key).unique(key, keep="last", maintain_order=True)


def until(frame: pl.DataFrame, time: int) -> pl.DataFrame:
    """Return the rows that count from strictly before `time` on; all of a table without times."""
    if COLUMN not in frame.columns:
        return frame
    return frame.filter(since(frame) < time)


def current(frame: pl.DataFrame, key: str, first: int) -> pl.DataFrame:
    """Return the rows that count at `first` or later; all of a table without times.

    So memory follows the changes within a window, however long the table has been kept.
    """
    if COLUMN not in frame.columns:
        return frame
    following = pl.col(COLUMN).shift(-1).over(key)
    return ordered(frame, key).filter(following.is_null() | (following > first))


def reshaped(frame: pl.DataFrame, key: str, columns: pl.Schema) -> pl.DataFrame:
    """Return stored rows for a table with these columns, which has gained or lost `validFrom`.

    Without one, the newest row of each id stays. With one, rows that were stored without a time
    are newest values of unknown age: only the id is known to have been there always.
    """
    had, has = COLUMN in frame.columns, COLUMN in columns
    if had and not has:
        return newest(frame, key)
    if has and not had:
        unknown = pl.lit(UNKNOWN).alias("segment")
        return frame.select(key, *([unknown] if "segment" in columns else []))
    return frame


def ordered(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    """Return all rows by id, the oldest first; rows without a time come before all others."""
    return frame.sort(key, COLUMN, nulls_last=False)


def since(frame: pl.DataFrame) -> pl.Series:
    """Return the first second of each row."""
    return frame[COLUMN].fill_null(ALWAYS)
