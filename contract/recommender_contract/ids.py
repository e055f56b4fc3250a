"""Text ids, which the models identify by their hash; docs/contracts/ids.md has test vectors."""

from __future__ import annotations

import enum
import hashlib
import re
from dataclasses import dataclass

#: Name of `hashed` in a manifest.
HASH = "blake2b-63"
MAX_BYTES = 256  # of UTF-8
#: Ids that are numbers have at most 18 digits; most hashes have 19.
MAX_INTEGER = 10**18 - 1
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MASK = 2**63 - 1


class IdKind(enum.StrEnum):
    """The type of user ids or item ids in requests and answers."""

    INTEGER = "Integer"
    TEXT = "Text"

    def example(self, number: int) -> str:
        """Return an example of an id in JSON."""
        return str(number) if self is IdKind.INTEGER else f'"id-{number}"'


@dataclass(frozen=True, slots=True)
class IdKinds:
    """The id types of a version, from its manifest."""

    user: IdKind = IdKind.INTEGER
    item: IdKind = IdKind.INTEGER


INTEGERS = IdKinds()


def hashed(text: str) -> int:
    """Return the hash of a text, from 0 to 2^63 - 1.

    The first 8 bytes, big-endian, of BLAKE2b (RFC 7693) with a digest of 8 bytes and no key, of
    the text in UTF-8, without the highest bit.

    Raises:
        UnicodeEncodeError: the text has a lone surrogate.
    """
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") & _MASK


def fault(value: object) -> str | None:
    """Return the remedy for a value that is not a valid text id; None if it is valid."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return "give UTF-8"
    if not isinstance(value, str):
        return "give a text: the ids of this version are texts"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "give UTF-8, without lone surrogates"
    if not 1 <= size <= MAX_BYTES:
        return f"give a text of 1 to {MAX_BYTES} bytes of UTF-8"
    if _CONTROL.search(value):
        return "give the id without control characters, such as line breaks"
    return None
