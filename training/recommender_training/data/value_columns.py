"""Values of declared features as columns of numbers, and back to what a table has.

A request has one column for a category, a number or a time; so many as a row may have categories
for a MultiCategorical; and one for each number of an Embedding. Legend of shapes: N rows, W
columns of a feature.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from recommender_contract import hash_buckets
from recommender_contract.features import Kind
from recommender_training.common.arrays import Floats
from recommender_training.config.feature import Feature


def indices(column: pl.Series, categories: tuple[str, ...], *, hashed: bool) -> Floats:
    """[N] index of each category, or its bucket; NaN for others."""
    if not categories:
        return np.full(len(column), math.nan, dtype=np.float32)
    column = column.cast(pl.String)
    present = column.drop_nulls().unique().to_list() if hashed else list(categories)
    if not present:
        return np.full(len(column), math.nan, dtype=np.float32)
    index = hash_buckets.index(categories, hashed=hashed)
    found = column.replace_strict(
        present,
        [index[name] for name in present],
        default=None,
        return_dtype=pl.Float32,
    )
    return np.asarray(found.fill_null(math.nan).to_numpy(), dtype=np.float32)


def listed(column: pl.Series, categories: tuple[str, ...], width: int, *, hashed: bool) -> Floats:
    """[N, W] indices of the known categories of each row, ascending and each once, then NaN.

    The categories of a row have one space between them. Of more than W, the first ones count.
    """
    found = np.full((len(column), width), math.nan, dtype=np.float32)
    names = column.cast(pl.String).str.split(" ")
    rows = pl.DataFrame({"row": np.arange(len(column)), "name": names})
    flat = rows.explode("name", empty_as_null=True)
    codes = indices(flat["name"], categories, hashed=hashed)
    known = ~np.isnan(codes)
    pairs = np.unique(
        np.stack([flat["row"].to_numpy()[known], codes[known].astype(np.int64)], 1), axis=0
    )
    row = pairs[:, 0]
    nth = np.arange(len(row)) - np.searchsorted(row, row)
    fits = nth < width
    found[row[fits], nth[fits]] = pairs[fits, 1]
    return found


def vectors(column: pl.Series, length: int) -> Floats:
    """[N, W] the `length` numbers of each row, which have one space between them; NaN for null."""
    found = np.full((len(column), length), math.nan, dtype=np.float32)
    known = column.cast(pl.String).drop_nulls()
    if len(known):
        numbers = known.str.split(" ").list.eval(pl.element().cast(pl.Float32))
        found[column.is_not_null().to_numpy()] = numbers.list.to_array(length).to_numpy()
    return found


def names_of(values: Floats, categories: Sequence[str]) -> list[str | None]:
    """[N] the categories of indices [N, W], with one space between them; None for none."""
    return [
        " ".join(categories[int(code)] for code in row if not math.isnan(code)) or None
        for row in values.tolist()
    ]


def numbers_of(values: Floats) -> list[str | None]:
    """[N] the numbers of an Embedding [N, W], with one space between them; None for NaN."""
    return [None if math.isnan(row[0]) else " ".join(map(repr, row)) for row in values.tolist()]


def scale(feature: Feature, past: pl.LazyFrame, every: pl.LazyFrame) -> float:
    """Divisor of the numbers of an Embedding; 1 for another kind.

    It is the mean Euclidean length of the values of the `past`, as edges of bands are learned from
    them, or of `every` row if none was known then. Those without a length do not count.
    """
    if feature.kind is not Kind.EMBEDDING:
        return 1.0
    squares = pl.element().cast(pl.Float64) ** 2
    text = pl.col(feature.name).drop_nulls()
    length = text.str.split(" ").list.eval(squares).list.sum().sqrt()
    known = pl.col("length")
    of = (known.count().alias("count"), known.filter(known > 0).mean().alias("mean"))
    for rows in (past, every):
        found = rows.select(length.alias("length")).select(of).collect(engine="streaming")
        if found["count"].item():
            # the order of a sum over many rows varies, so its last digits do
            return float(f"{found['mean'].item() or 1.0:.6g}")
    return 1.0
