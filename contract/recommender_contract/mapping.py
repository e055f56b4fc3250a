"""Settings of the mapping of raw files that several packages read."""

from __future__ import annotations

import enum

#: Range of the values of interactions, from the worst to the best.
MIN_VALUE, MAX_VALUE = 1.0, 5.0


class TimeUnit(enum.StrEnum):
    """Unit of times. A number counts from 1970; a text without a zone is UTC."""

    SECONDS = "Seconds"
    MILLISECONDS = "Milliseconds"
    MICROSECONDS = "Microseconds"
    ISO8601 = "ISO8601"


class PartitionBy(enum.StrEnum):
    """Length of a partition of the interactions, UTC."""

    DAY = "Day"
    HOUR = "Hour"
