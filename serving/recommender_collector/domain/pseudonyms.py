"""Keyed hashes in place of user ids: pure."""

from __future__ import annotations

import hashlib
import hmac
import re

MIN_KEY_BYTES = 16
HEX_DIGITS = 32
_PSEUDONYM = re.compile(rf"[0-9a-f]{{{HEX_DIGITS}}}")


class Pseudonyms:
    """Maps user ids to the first 32 hex digits of HMAC-SHA256 (RFC 2104) with a secret key."""

    def __init__(self, key: bytes) -> None:
        """Keep the key.

        Raises:
            ValueError: the key has fewer than 16 bytes.
        """
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(f"the key has {len(key)} bytes: give at least {MIN_KEY_BYTES}")
        self._keyed = hmac.new(key, digestmod=hashlib.sha256)

    def __call__(self, user: str) -> str:
        """Return the hash of a user id."""
        keyed = self._keyed.copy()
        keyed.update(user.encode())
        return keyed.hexdigest()[:HEX_DIGITS]


def is_pseudonym(text: str) -> bool:
    """Return whether a text has the form of a hash."""
    return _PSEUDONYM.fullmatch(text) is not None
