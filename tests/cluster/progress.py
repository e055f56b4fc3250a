"""Prints steps and their durations on standard error."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

_started = time.monotonic()


def say(message: str) -> None:
    """Print one line with the time since the command began."""
    print(f"[{time.monotonic() - _started:6.1f}s] {message}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(done: str) -> Iterator[None]:
    """Print `done` with the duration of the block if it ends without an error."""
    began = time.monotonic()
    yield
    say(f"{done} ({time.monotonic() - began:.1f}s)")
