"""The key of the users' names in the log, from a file of a Secret."""

from __future__ import annotations

import logging
from pathlib import Path

logger = logging.getLogger(__name__)
MIN_KEY_BYTES = 16


def read(path: Path | None) -> str | None:
    """Return the key in a file; None without one, and each process then has a random key.

    A missing or short key must not keep a version from serving, so it is a warning.
    """
    if path is None:
        return None
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        logger.warning("users have names of this process alone in the log: %s", error)
        return None
    if len(key.encode()) < MIN_KEY_BYTES:
        logger.warning(
            "users have names of this process alone in the log: the key in %s has fewer than %d "
            "bytes",
            path,
            MIN_KEY_BYTES,
        )
        return None
    return key
