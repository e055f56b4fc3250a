"""Signatures by Standard Webhooks (standardwebhooks.com): HMAC-SHA256 of id, time and body.

Libraries for many languages check them. The time is signed, so that a recorded request
cannot be sent again later.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"
#: Bytes of a key, as the specification demands.
LENGTHS = range(24, 65)


class InvalidKeyError(Exception):
    """A key is not valid; the message does not have it."""


def key_of(text: str) -> bytes:
    """Return the key in `whsec_BASE64`.

    Raises:
        InvalidKeyError: it is none.
    """
    try:
        key = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in LENGTHS:
        raise InvalidKeyError(f"its key is not {PREFIX} and the base64 of 24 to 64 bytes")
    return key


def headers(key: bytes, message_id: str, at: int, body: bytes) -> dict[str, str]:
    """Return the headers of a request; `at` is in seconds since 1970."""
    signed = f"{message_id}.{at}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return {"webhook-signature": "v1," + base64.b64encode(digest).decode()}
