"""The wall clock, the default where a caller passes no time."""

from __future__ import annotations

import time


def seconds() -> int:
    """Return the current time in whole seconds since 1970."""
    return int(time.time())
