"""Ids as the tables have them: whole numbers as they are, texts hashed to 63 bits.

Everything behind the ingestion knows whole numbers alone. The same function is in the serving
package, which hashes the ids of requests; docs/contracts.md has vectors that both are held to.
"""

from __future__ import annotations

import enum
import hashlib
from typing import Protocol

import polars as pl

from recommender_training.ingestion.raw_columns import flag, whole_number

#: Name of `hashed` in a manifest.
HASH = "blake2b-63"
#: Bytes of a text in UTF-8.
MAX_BYTES = 256
#: Whole numbers of all formats have at most 18 digits; most hashes have 19.
INTEGER_LIMIT = 10**18
_CONTROL = r"\p{Cc}"
_MASK = 2**63 - 1


class IdKind(enum.StrEnum):
    """What the ids of users or items are in the raw data, in requests and in answers."""

    INTEGER = "Integer"
    TEXT = "Text"


def hashed(text: str) -> int:
    """The number from 0 to 2^63 - 1 that stands for a text.

    The first 8 bytes, big-endian, of BLAKE2b (RFC 7693) with a digest of 8 bytes and no key, of
    the text in UTF-8, without the highest bit. Raises UnicodeEncodeError for lone surrogates.
    """
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") & _MASK


class IdReader(Protocol):
    """Turns the raw text of a column into ids, or into the reason why it is none."""

    kind: IdKind

    def read(self, frame: pl.DataFrame, raw: str, column: str) -> pl.DataFrame:
        """Add `column` (Int64) of the text column `raw`, and a reason where that is no id."""
        ...

    def settle(self, frame: pl.DataFrame, raw: str, column: str) -> pl.DataFrame:
        """Take the ids of the rows that are good by all other rules, or give a reason."""
        ...


class IntegerIds:
    """Ids that are whole numbers from 0, also written as `7.0`; `of` is User or Item."""

    kind = IdKind.INTEGER

    def __init__(self, of: str) -> None:
        self._of = of

    def read(self, frame: pl.DataFrame, raw: str, column: str) -> pl.DataFrame:
        """See IdReader; the reasons are BadUserId and BadItemId."""
        frame = frame.with_columns(whole_number(raw).alias(column))
        return flag(frame, pl.col(column).is_null(), f"Bad{self._of}Id")

    def settle(self, frame: pl.DataFrame, raw: str, column: str) -> pl.DataFrame:  # noqa: ARG002
        """See IdReader: numbers stand for nothing but themselves."""
        return frame


def read_texts(frame: pl.DataFrame, raw: str, column: str, of: str) -> pl.DataFrame:
    """Add the hash of each text, taken byte for byte: no blank or case is changed.

    Reasons: EmptyUserId, UserIdTooLong, ControlInUserId (and those of items).
    """
    text = pl.col(raw)
    frame = flag(frame, text.is_null() | (text.str.len_bytes() == 0), f"Empty{of}Id")
    frame = flag(frame, text.str.len_bytes() > MAX_BYTES, f"{of}IdTooLong")
    frame = flag(frame, text.str.contains(_CONTROL), f"ControlIn{of}Id")
    distinct = frame.filter(pl.col("reason").is_null())[raw].unique()
    numbers = pl.DataFrame(
        {raw: distinct, column: [hashed(each) for each in distinct]},
        schema={raw: pl.String, column: pl.Int64},
    )
    return frame.join(numbers, on=raw, how="left", maintain_order="left")
