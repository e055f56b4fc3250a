"""Calendars of vocabulary.json, and what Python's own calendar says of a time."""

from __future__ import annotations

import calendar
import datetime
from typing import Any

Content = dict[str, Any]

#: An hour of a zone with a summer time in 1970 to 2100, a weekday of UTC and a month at UTC-5.
HALF_A_YEAR = 182 * 86_400
CALENDARS: list[Content] = [
    {
        "calendar": "HourOfDay",
        "categories": [f"{hour:02}" for hour in range(24)],
        "zone": {
            "name": "Europe/Berlin",
            "since": [HALF_A_YEAR * number for number in range(260)],
            "offsets": [3_208, *[3_600, 7_200] * 130],
        },
    },
    {
        "calendar": "DayOfWeek",
        "categories": list(calendar.day_name),
        "zone": {"name": "UTC", "since": [], "offsets": [0]},
    },
    {
        "calendar": "Month",
        "categories": list(calendar.month_name)[1:],
        "zone": {"name": "Etc/GMT+5", "since": [], "offsets": [-18_000]},
    },
]


def local_code(feature: Content, seconds: int) -> int:
    """The index of the category of a time, by the calendar of Python.

    It begins with the year 1, so that all is moved by 400 years, after which dates repeat.
    """
    zone = feature["zone"]
    offset = zone["offsets"][sum(since <= seconds for since in zone["since"])]
    first = datetime.datetime(1970 + 400, 1, 1)  # noqa: DTZ001
    local = first + datetime.timedelta(seconds=seconds + offset)
    return {"HourOfDay": local.hour, "DayOfWeek": local.weekday(), "Month": local.month - 1}[
        feature["calendar"]
    ]
