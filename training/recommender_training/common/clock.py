"""The clock, for those who are not given a time."""

from __future__ import annotations

import time


def seconds() -> int:
    """Now, in whole seconds since 1970."""
    return int(time.time())
