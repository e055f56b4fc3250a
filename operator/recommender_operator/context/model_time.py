"""Model time, in which deadlines are measured (`docs/adr/0025-sequence-and-model-time.md`).

The wall clock may jump, and the operator may be down. Nobody observes the model meanwhile, so
such periods must not count towards deadlines and steps. Between two passes, model time advances
with the wall clock, but never backwards, and never by more than a few times the usual interval.
While no deadline is running, it equals the wall clock.
"""

from __future__ import annotations

import datetime

from recommender_operator.api.status import ModelClock

#: Maximum advance of model time between two passes, in multiples of the pace.
STRETCH = 3
#: Deadlines are measured to 1/PRECISION of their length, so that long ones need few writes.
PRECISION = 20
_NONE = datetime.timedelta()


def current_model_time(stored: ModelClock | None, wall: datetime.datetime) -> datetime.datetime:
    """Return the model time at a wall clock time."""
    if stored is None:
        return wall
    most = STRETCH * datetime.timedelta(seconds=stored.pace_seconds)
    return stored.time + min(max(wall - stored.observed_at, _NONE), most)


def pace(limit: datetime.timedelta, every: datetime.timedelta) -> datetime.timedelta:
    """Return how often to store the clock for a deadline that is checked at an interval."""
    return max(every, limit / PRECISION)


def kept(
    stored: ModelClock | None,
    *,
    wall: datetime.datetime,
    time: datetime.datetime,
    pace: datetime.timedelta,
    written: bool,
) -> ModelClock:
    """Return the clock to store: the stored one if it is still precise enough.

    `written`: whether the status is written anyway.
    """
    now = ModelClock(observed_at=wall, time=time, pace_seconds=pace.total_seconds())
    if stored is None or written or stored.pace_seconds != now.pace_seconds:
        return now
    return stored if _NONE <= wall - stored.observed_at < pace else now
