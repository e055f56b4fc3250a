"""The time of a model: what deadlines are measured in (`docs/adr/0025-order-and-time.md`).

A clock on the wall may jump, and an operator may be away. Nobody watched the model meanwhile, so
neither a deadline nor the time that a step is watched may pass by that. The model's time moves
from look to look by what the wall's moved, but never back, and never by more than a few times the
pace at which looks come. While nothing is waited for, it is the wall's.
"""

from __future__ import annotations

import datetime

from recommender_operator.api.status import ModelClock

#: Looks may come so much later than the pace before time stands still.
STRETCH = 3
#: A wait is measured to about this part of its length, so that a long one costs few writes.
PRECISION = 20
_NONE = datetime.timedelta()


def read(stored: ModelClock | None, wall: datetime.datetime) -> datetime.datetime:
    """Return the model's time of a look."""
    if stored is None:
        return wall
    most = STRETCH * datetime.timedelta(seconds=stored.pace_seconds)
    return stored.time + min(max(wall - stored.observed_at, _NONE), most)


def pace(limit: datetime.timedelta, every: datetime.timedelta) -> datetime.timedelta:
    """Return how often the time has to be kept for a wait that is looked at so often."""
    return max(every, limit / PRECISION)


def kept(
    stored: ModelClock | None,
    *,
    wall: datetime.datetime,
    time: datetime.datetime,
    pace: datetime.timedelta,
    written: bool,
) -> ModelClock:
    """Return the clock to store: the stored one as long as it is exact enough.

    `written`: the status is written anyway, and the clock with it.
    """
    now = ModelClock(observed_at=wall, time=time, pace_seconds=pace.total_seconds())
    if stored is None or written or stored.pace_seconds != now.pace_seconds:
        return now
    return stored if _NONE <= wall - stored.observed_at < pace else now
