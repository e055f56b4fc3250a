"""Erased users, whom the collector lists for the lakes: a digest in place of the id."""

from __future__ import annotations

import hashlib

#: Form of a digest.
DIGEST = r"^[0-9a-f]{32}$"
#: A copy takes less time than a new one.
_BLAKE2B = hashlib.blake2b(digest_size=16, person=b"erased user")


def digest(user: int) -> str:
    """Return the digest of a user, by the id of the models, as 32 hex digits.

    16 bytes of BLAKE2b (RFC 7693) without a key, personalised with `erased user`, of the id as 8
    bytes, big-endian.
    """
    hashing = _BLAKE2B.copy()
    hashing.update(user.to_bytes(8, "big"))
    return hashing.hexdigest()
