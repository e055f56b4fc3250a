"""Bands of a number: the names of the bands, and the band of a value.

A band begins at its edge, so a value that equals an edge belongs to the band above it. Legend: a
number with E edges has E + 1 bands, the lowest has index 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

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
    whole = _are_whole(edges)
    if whole and minimum is not None and float(minimum).is_integer():
        lowest = _between(minimum, edges[0], whole=True)
    else:
        lowest = f"<{text_of(edges[0])}"
    inner = (_between(low, high, whole=whole) for low, high in pairwise(edges))
    return (lowest, *inner, f"{text_of(edges[-1])}+")


def band(value: float, edges: Sequence[float]) -> int:
    """Return the index of the band of a value: the number of edges up to it."""
    return bisect_right(edges, value)


def name_of(value: float, edges: Sequence[float]) -> str:
    """Return the name of the band of a value, of at least one edge and without a minimum."""
    place = band(value, edges)
    if place == 0:
        return f"<{text_of(edges[0])}"
    if place == len(edges):
        return f"{text_of(edges[-1])}+"
    return _between(edges[place - 1], edges[place], whole=_are_whole(edges))


def text_of(number: float) -> str:
    """Return a number as names and headers have it: a whole one without a point."""
    if float(number).is_integer() and abs(number) < _LONG:
        return str(int(number))
    return repr(float(number))


def _are_whole(edges: Sequence[float]) -> bool:
    return all(float(edge).is_integer() for edge in edges)


def _between(low: float, high: float, *, whole: bool) -> str:
    """Return the name of the band from `low` up to, without, `high`."""
    last = high - 1 if whole else high
    if last == low:
        return text_of(low)
    link = " to " if low < 0 or last < 0 else "-"
    return f"{text_of(low)}{link}{text_of(last)}"
