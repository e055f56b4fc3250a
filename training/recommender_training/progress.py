"""Progress lines on stderr, with the seconds since the start, so that a log tells a story."""

from __future__ import annotations

import sys
import time

_START = time.monotonic()


def say(text: str) -> None:
    """Print one progress line."""
    print(f"[{time.monotonic() - _START:7.1f} s] {text}", file=sys.stderr, flush=True)  # noqa: T201
