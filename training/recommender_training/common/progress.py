"""Progress lines on stderr, each with the seconds since the start."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

_START = time.monotonic()
_silent = False


def say(text: str) -> None:
    """Print one progress line."""
    if _silent:
        return
    print(f"[{time.monotonic() - _START:7.1f} s] {text}", file=sys.stderr, flush=True)  # noqa: T201


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Suppress progress lines inside the block; the caller reports."""
    global _silent
    before, _silent = _silent, True
    try:
        yield
    finally:
        _silent = before
