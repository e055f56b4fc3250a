"""Which rows of a batch are whose."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """The part of a batch that one process has."""

    rows: int  # of the whole batch
    own: slice


def share(rows: int, rank: int, size: int) -> Share:
    """The part of process `rank` of `size`: contiguous, none larger by more than one row."""
    return Share(rows, slice(rows * rank // size, rows * (rank + 1) // size))
