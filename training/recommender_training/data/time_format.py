"""Convert times between whole seconds since 1970 (inside) and RFC 3339 (outside)."""

from __future__ import annotations

import datetime
import re

_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?"
    r"(?:[Zz]|([+-](?:[01][0-9]|2[0-3]):[0-5][0-9]))"
)


def iso_time(seconds: int) -> str:
    """Format seconds since 1970 as RFC 3339, UTC."""
    moment = datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> int:
    """Parse a time of RFC 3339 with a zone; round down to whole seconds since 1970.

    Raises ValueError if the text is not such a time.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is not an RFC 3339 time with a zone, such as 2026-11-25T00:00:00Z"
        )
    date, time, zone = match.groups()
    moment = datetime.datetime.fromisoformat(f"{date}T{time}{zone or '+00:00'}")
    return int((moment - _EPOCH).total_seconds())


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
