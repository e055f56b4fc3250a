"""Bands of columns of numbers, and the edges that follow from them.

`recommender_contract.bands` names the bands, and says what is in one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from recommender_contract.bands import UNKNOWN, names
from recommender_training.common.arrays import Doubles, Floats

#: Shares of the positive values that the bands of a logarithm lie between.
_INNER = (0.01, 0.99)
#: Digits of an edge: the fewest that leave no band empty; Float32 has no more than 9.
_DIGITS = range(3, 10)
#: Half the length of an interval on which the variance of a uniform distribution is 1.
_HALF = math.sqrt(3.0)


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


def quantiles(values: Floats, count: int) -> tuple[float, ...]:
    """Return the edges of at most `count` bands with about equal shares of the values [N]."""
    if len(values) == 0:
        return ()
    inner = np.quantile(values, np.arange(1, count) / count, method="nearest")
    return tuple(float(edge) for edge in np.unique(inner) if edge > values.min())


def logarithmic(values: Floats, count: int) -> tuple[float, ...]:
    """Return the edges of at most `count` bands of equal width of the logarithm of values [N].

    They span the inner 98 % of the positive values, so that an outlier stretches none. Edges have
    three digits, more in a narrow range; zero and negative values are in the lowest band. No band
    is empty.
    """
    positive = values[values > 0]
    if len(positive) == 0:
        return ()
    low, high = np.quantile(positive, _INNER, method="nearest").astype(np.float64)
    spaced = np.geomspace(low, high, count + 1)[1:-1]
    wanted = len(_filled(values, spaced.tolist()))
    for digits in _DIGITS:
        edges = sorted({float(f"{edge:.{digits}g}") for edge in spaced.tolist()})
        held = _filled(values, edges)
        if len(held) >= wanted:
            break
    return tuple(edges[place - 1] for place in held[1:])


def knots(
    edges: Sequence[float], lowest: float = -math.inf, highest: float = math.inf
) -> tuple[float, ...]:
    """Return the known ends of the bands: the edges, and the limits of the number if it has any.

    Without edges, all values are alike and there are none.
    """
    if not edges:
        return ()
    below = (lowest,) if -math.inf < lowest < edges[0] else ()
    above = (highest,) if edges[-1] < highest < math.inf else ()
    return (*below, *edges, *above)


def positions(values: Floats | Doubles, ends: Sequence[float]) -> Floats:
    """Return where values [N] lie among the ends of bands (`knots`), all bands equally long.

    It grows with the value between two ends and is constant beyond the outermost ones, so that no
    outlier counts for more than its band. Values that are spread evenly between the outermost ends
    have the mean 0 and the variance 1. Where both outer bands of B are open, theirs is 1 + 4 / B;
    where one is, the mean is not 0. 0 is returned for NaN, and with fewer than two ends.
    """
    if len(ends) < 2:
        return np.zeros(len(values), dtype=np.float32)
    scale = np.linspace(-_HALF, _HALF, len(ends))
    found = np.interp(values.astype(np.float64), ends, scale)
    return np.where(np.isnan(values), 0.0, found).astype(np.float32)


def _filled(values: Floats, edges: Sequence[float]) -> list[int]:
    """Return the indices of the bands that hold any of the values [N]."""
    bands = np.searchsorted(np.array(edges, dtype=np.float32), values, side="right")
    found: list[int] = np.flatnonzero(np.bincount(bands)).tolist()
    return found
