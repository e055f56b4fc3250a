"""What was known of users at a time, where their table has several rows for each (`validFrom`).

A row counts from its `validFrom` on, up to the next one of its user; before the first one nothing
is known. Legend of shapes: U users, V rows of the table, A attributes of users, R requests.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender_training.common.arrays import Floats, Ints, Places

#: When a row without `validFrom` begins: of a user who occurs in events alone.
ALWAYS = -(2**62)
COLUMN = "valid_from"


@dataclass(frozen=True)
class UserHistory:
    """The rows of all users, one user after another, and the oldest first."""

    user: Ints  # [V] row in Users, ascending
    since: Ints  # [V] seconds since 1970
    side: Floats  # [V, A] values of the declared features; NaN unknown

    def at(self, users: Places, times: Ints) -> Floats:
        """Return [R, A] what was known of the users at these rows, at `times` [R]."""
        moments, keys = self._index
        wanted = np.asarray(users, dtype=np.int64)
        begun = np.searchsorted(moments, times, side="right")
        place = np.searchsorted(keys, wanted * (len(moments) + 1) + begun, side="left") - 1
        known = (place >= 0) & (self.user[place] == wanted)
        return np.where(known[:, None], self.side[place], np.float32(np.nan))

    @functools.cached_property
    def _index(self) -> tuple[Ints, Ints]:
        """The distinct first seconds, and [V] user and place among these of each row as one
        number, ascending.
        """
        moments, rank = np.unique(self.since, return_inverse=True)
        return moments, self.user * (len(moments) + 1) + rank


def newest(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the newest row of each user, sorted by id."""
    if COLUMN not in frame.columns:
        return frame.sort("user_id")
    ordered = frame.sort("user_id", COLUMN)
    return ordered.unique("user_id", keep="last", maintain_order=True)


def since(frame: pl.DataFrame) -> pl.Series:
    """Return the first second of each row."""
    return frame[COLUMN].fill_null(ALWAYS)
