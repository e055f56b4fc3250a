"""Seconds since 1970 as hours, weekdays or months of a time zone.

The rules of a zone are the times from which each of its offsets from UTC holds. They travel with a
version in `vocabulary.json`, so that training and serving read the same hour even if their time
zone databases differ.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, timedelta

#: Seconds.
HOUR, DAY = 3600, 86_400
#: After so many days the Gregorian calendar, weekdays included, repeats (400 years).
CYCLE = 146_097
UTC = "UTC"
_START = date(1970, 1, 1)


class Calendar(enum.StrEnum):
    """The part of the local date and time that is the category of a Timestamp."""

    HOUR_OF_DAY = "HourOfDay"
    DAY_OF_WEEK = "DayOfWeek"
    MONTH = "Month"


#: Categories of each part, in the order of their index.
NAMES = {
    Calendar.HOUR_OF_DAY: tuple(f"{hour:02}" for hour in range(24)),
    Calendar.DAY_OF_WEEK: (
        "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
    ),
    Calendar.MONTH: (
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LocalCalendar:
    """One part of the local time: the category of any time."""

    part: Calendar
    since: tuple[int, ...]  # seconds since 1970 from which each offset but the first holds
    offsets: tuple[int, ...]  # seconds to add to UTC, one more than `since`

    @property
    def names(self) -> tuple[str, ...]:
        """The categories."""
        return NAMES[self.part]

    def code(self, seconds: int) -> int:
        """Return the index of the category of a time in seconds since 1970."""
        local = seconds + self.offsets[bisect_right(self.since, seconds)]
        if self.part is Calendar.HOUR_OF_DAY:
            return local % DAY // HOUR
        days = local // DAY
        if self.part is Calendar.DAY_OF_WEEK:
            return (days + 3) % 7  # 1970-01-01 was a Thursday
        return (_START + timedelta(days=days % CYCLE)).month - 1

    def name(self, seconds: int) -> str:
        """Return the category of a time."""
        return self.names[self.code(seconds)]
