"""Ids of the tables: whole numbers unchanged, texts hashed to 63 bits.

After ingestion, all ids are whole numbers.
"""

from __future__ import annotations

from typing import Protocol

import polars as pl

from recommender_contract import ids
from recommender_contract.ids import MAX_BYTES, IdKind
from recommender_training.ingestion.raw_columns import flag, whole_number

_CONTROL = r"\p{Cc}"


class IdReader(Protocol):
    """Converts the raw text of a column to ids, or to the reason why it is not an id."""

    kind: IdKind

    def read(self, frame: pl.DataFrame, raw: str, column: str) -> pl.DataFrame:
        """Add `column` (Int64) from the text column `raw`, and a reason if it is not an id."""
        ...

    def settle(self, frame: pl.DataFrame, raw: str, column: str) -> pl.DataFrame:
        """Accept the ids of rows that pass all other rules, or add a reason."""
        ...


class IntegerIds:
    """Ids that are whole numbers from 0, also written as `7.0`. `of` is User or Item."""

    kind = IdKind.INTEGER

    def __init__(self, of: str) -> None:
        self._of = of

    def read(self, frame: pl.DataFrame, raw: str, column: str) -> pl.DataFrame:
        """See IdReader; the reasons are BadUserId and BadItemId."""
        frame = frame.with_columns(whole_number(raw).alias(column))
        return flag(frame, pl.col(column).is_null(), f"Bad{self._of}Id")

    def settle(self, frame: pl.DataFrame, raw: str, column: str) -> pl.DataFrame:  # noqa: ARG002
        """See IdReader; whole numbers never collide."""
        return frame


def read_texts(frame: pl.DataFrame, raw: str, column: str, of: str) -> pl.DataFrame:
    """Add the hash of each text, byte for byte: whitespace and case count.

    Reasons: EmptyUserId, UserIdTooLong, ControlInUserId (and those of items).
    """
    text = pl.col(raw)
    frame = flag(frame, text.is_null() | (text.str.len_bytes() == 0), f"Empty{of}Id")
    frame = flag(frame, text.str.len_bytes() > MAX_BYTES, f"{of}IdTooLong")
    frame = flag(frame, text.str.contains(_CONTROL), f"ControlIn{of}Id")
    distinct = frame.filter(pl.col("reason").is_null())[raw].unique()
    numbers = pl.DataFrame(
        {raw: distinct, column: [ids.hashed(each) for each in distinct]},
        schema={raw: pl.String, column: pl.Int64},
    )
    return frame.join(numbers, on=raw, how="left", maintain_order="left")
