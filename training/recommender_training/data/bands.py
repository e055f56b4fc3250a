"""Bands of a number: the names of the bands, and the band of a value.

A band begins at its edge, so a value that equals an edge belongs to the band above it. Legend: a
number with E edges has E + 1 bands, the lowest has index 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

import polars as pl

#: Name of a missing band or category.
UNKNOWN = "unknown"
#: Whole numbers beyond are written with an exponent.
_LONG = 1e15


def names(edges: Sequence[float], minimum: float | None = None) -> tuple[str, ...]:
    """Return the names of the E + 1 bands, lowest first.

    Whole edges give `0-17` (from `minimum`; `<18` without one), `18-24` and `25+`; all others
    `<12.5`, `12.5-30` and `30+`. Without edges, the only band is `all`.
    """
    if not edges:
        return ("all",)
    whole = all(float(edge).is_integer() for edge in edges)
    if whole and minimum is not None and float(minimum).is_integer():
        lowest = _between(minimum, edges[0], whole=True)
    else:
        lowest = f"<{_text(edges[0])}"
    pairs = pairwise(edges)
    inner = (_between(low, high, whole=whole) for low, high in pairs)
    return (lowest, *inner, f"{_text(edges[-1])}+")


def band(value: float, edges: Sequence[float]) -> int:
    """Return the index of the band of a value: the number of edges up to it."""
    return bisect_right(edges, value)


def index(value: pl.Expr, edges: Sequence[float]) -> pl.Expr:
    """Return the indices of the bands of a column (Int64); null for null and NaN."""
    known = value.is_not_null() & value.cast(pl.Float64).is_not_nan()
    count = pl.sum_horizontal(
        pl.lit(0, dtype=pl.Int64), *((value >= edge).cast(pl.Int64) for edge in edges)
    )
    return pl.when(known).then(count)


def named(value: pl.Expr, edges: Sequence[float], minimum: float | None = None) -> pl.Expr:
    """Return the names of the bands of a column; `unknown` for null and NaN."""
    words = dict(enumerate(names(edges, minimum)))
    return index(value, edges).replace_strict(words, default=UNKNOWN, return_dtype=pl.String)


def _between(low: float, high: float, *, whole: bool) -> str:
    """Return the name of the band from `low` up to, without, `high`."""
    last = high - 1 if whole else high
    if last == low:
        return _text(low)
    link = " to " if low < 0 or last < 0 else "-"
    return f"{_text(low)}{link}{_text(last)}"


def _text(number: float) -> str:
    if float(number).is_integer() and abs(number) < _LONG:
        return str(int(number))
    return repr(float(number))
