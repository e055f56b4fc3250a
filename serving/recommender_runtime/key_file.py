"""Keys in a file of a mounted Secret, one a line; a rotated Secret needs no restart."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

logger = logging.getLogger(__name__)
MIN_BYTES, MAX_BYTES = 16, 4096  # of a key, and of the file
#: Seconds for which the keys are used before the file is read again.
FRESH_SECONDS = 5.0


class KeyFile:
    """The keys of a file. The first is the current one; the others are accepted as well."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._until = float("-inf")
        self._keys: tuple[bytes, ...] = ()
        self._problem = ""

    def keys(self) -> tuple[bytes, ...]:
        """Return the keys; none, with a warning, if the file has no usable ones.

        Whoever signs goes on without: a missing key must not keep answers from users.
        """
        now = self._clock()
        if now >= self._until:
            self._until = now + FRESH_SECONDS
            self._keys, problem = read_keys(self._path)
            if problem and problem != self._problem:
                logger.warning("%s %s", self._path, problem)
            self._problem = problem
        return self._keys


def read_keys(path: Path) -> tuple[tuple[bytes, ...], str]:
    """Return the keys, and what is wrong with the file, without anything of its content."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        return (), f"cannot be read: {error.strerror}"
    keys = tuple(content.split())
    if not keys or len(content) > MAX_BYTES or not content.isascii():
        return (), "has no key of ASCII characters: write one a line"
    if min(map(len, keys)) < MIN_BYTES:
        return (), f"has a key of fewer than {MIN_BYTES} characters"
    return keys, ""
