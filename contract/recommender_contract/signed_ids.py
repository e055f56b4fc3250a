"""Request ids with a proof that the serving path gave them to a user: pure.

`<id>~<22 characters>`: HMAC-SHA256 (RFC 2104), cut to 16 bytes, of the model, the user's number
and the id, in base64url without padding (RFC 4648). Transformers sign the ids in their answers,
and the collector verifies those in events, which tells made-up feedback apart.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from recommender_contract.events import MAX_LABEL

MARK = "~"
_BYTES, _DIGITS = 16, 22


def signed(id_: str, model: str, user: int, key: bytes) -> str:
    """Return an id with its proof; the id alone if it would be too long with one."""
    if len(id_) + len(MARK) + _DIGITS > MAX_LABEL:
        return id_
    return f"{id_}{MARK}{_proof(id_, model, user, key)}"


def verified(text: str, model: str, user: int, keys: Sequence[bytes]) -> str | None:
    """Return the id without its proof; None if it has none by any of the keys."""
    id_, mark, proof = text[: -_DIGITS - 1], text[-_DIGITS - 1 : -_DIGITS], text[-_DIGITS:]
    if mark != MARK or not id_ or not proof.isascii():
        return None
    is_proven = [hmac.compare_digest(proof, _proof(id_, model, user, key)) for key in keys]
    return id_ if any(is_proven) else None


def _proof(id_: str, model: str, user: int, key: bytes) -> str:
    # No name of a model has a line break, and no number.
    message = f"{model}\n{user}\n{id_}".encode()
    digest = hmac.digest(key, message, hashlib.sha256)[:_BYTES]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
