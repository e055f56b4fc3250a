"""Locks for shared resources: caches and the machine's packages."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.progress import say
from tests.cluster.settings import cache_folder


@contextlib.contextmanager
def held(path: Path, waiting_for: str) -> Iterator[None]:
    """Hold a file's lock, which ends with the process; report if another process holds it.

    Not reentrant: a caller that already holds it would wait forever.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for {waiting_for}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cache_held(name: str, waiting_for: str) -> contextlib.AbstractContextManager[None]:
    """Hold the lock of a part of the cache."""
    return held(cache_folder() / f"{name}.lock", waiting_for)
