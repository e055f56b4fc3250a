"""What was known of users at a time, where their table has several rows for each (`validFrom`).

Legend of shapes: V rows of the table, A attributes of users, R requests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender_training.common.arrays import Floats, Ints, Places
from recommender_training.data.row_times import RowTimes


@dataclass(frozen=True)
class UserHistory:
    """The rows of all users, one user after another, and the oldest first."""

    times: RowTimes  # the owners are rows in Users
    side: Floats  # [V, A] values of the declared features; NaN unknown

    def at(self, users: Places, times: Ints) -> Floats:
        """Return [R, A] what was known of the users at these rows, at `times` [R]."""
        place = self.times.places(users, times)
        return np.where(place[:, None] >= 0, self.side[place], np.float32(np.nan))
