"""The calendar of a Timestamp: which part of the local time its categories are."""

from __future__ import annotations

import difflib
import zoneinfo
from collections.abc import Mapping
from typing import Annotated

import polars as pl
from pydantic import Field

from recommender_contract.features import MAX_TEXT, TIME_ZONE
from recommender_contract.local_calendar import UTC, Calendar

TimeZone = Annotated[str, Field(min_length=1, max_length=MAX_TEXT, pattern=TIME_ZONE)]


def fault(
    calendar: Calendar | None,
    time_zone: str | None,
    unit: str | None,
    of_ages: Mapping[str, object],
) -> str | None:
    """Return the problem of a feature's calendar with its remedy, or None.

    `of_ages` are the settings of an age by name; an empty one is absent.
    """
    if calendar is None:
        if time_zone is None:
            return None
        return f"timeZone={time_zone!r} needs calendar: without it no time zone counts"
    for name, given in of_ages.items():
        if given:
            return f"{name} and calendar exclude each other: remove one"
    if unit == "Year":
        return f"calendar={calendar}: the unit Year has no hours, weekdays or months: remove one"
    return None if time_zone is None else _zone_fault(time_zone)


def _zone_fault(name: str) -> str | None:
    try:
        pl.Series([0]).cast(pl.Datetime("us", UTC)).dt.convert_time_zone(name)
    except pl.exceptions.ComputeError:
        near = difflib.get_close_matches(name, sorted(zoneinfo.available_timezones()), 1, 0.5)
        guess = f"did you mean {near[0]}? " if near else ""
        return (
            f"timeZone={name!r}: {guess}give a name of the time zone database, such as "
            "Europe/Berlin"
        )
    return None
