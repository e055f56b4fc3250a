"""Keys from files of a Secret: of the users' names in the log, and of signed request ids."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from recommender_contract.ids import hashed
from recommender_contract.signed_ids import signed
from recommender_runtime.key_file import KeyFile

logger = logging.getLogger(__name__)
MIN_KEY_BYTES = 16


def read_user_key(path: Path | None) -> str | None:
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


def signer(model: str, folder: Path | None) -> Callable[[str, int | str], str]:
    """Return a function that adds the proof to the id of a request; without a key it adds none."""
    if folder is None:
        return lambda id_, _: id_
    file = KeyFile(folder / "signing")

    def sign(id_: str, user: int | str) -> str:
        keys = file.keys()
        number = hashed(user) if isinstance(user, str) else user
        return signed(id_, model, number, keys[0]) if keys else id_

    return sign
