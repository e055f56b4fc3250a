"""Declared features of items as columns: categories by their places, times, embeddings, numbers.

Legend of shapes: I items, G categories of all features, W that an item has at most, M times, E
numbers of the embeddings, N declared numbers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender_contract import hash_buckets
from recommender_contract.features import Kind
from recommender_training.common.arrays import Doubles, Floats, Ints
from recommender_training.config.feature import Feature
from recommender_training.data import bands
from recommender_training.data.feature_encoding import Block
from recommender_training.data.local_calendar import LocalCalendar


@dataclass(frozen=True)
class Listed:
    """The categories of each item, W at most: so many places for each feature as an item has
    categories of it.
    """

    places: Ints  # [I, W] column among all G; G for none
    shares: Floats  # [I, W] those of a feature sum to one; 0 for none
    ends: tuple[int, ...]  # where the places of each feature end

    @classmethod
    def nothing(cls, count: int) -> Listed:
        """Of so many items without features."""
        none = np.zeros((count, 0), dtype=np.int64)
        return cls(none, none.astype(np.float32), ())


def first(blocks: Sequence[Block], items: pl.DataFrame) -> tuple[Ints, ...]:
    """Of each block [I] the first category of each item, -1 for none."""
    return tuple(_first(_codes(block, items)) for block in blocks)


def listed(blocks: Sequence[Block], items: pl.DataFrame) -> tuple[Listed, tuple[Ints, ...]]:
    """The categories of the items as a list, and of each block [I] the first one, -1 for none.

    Memory follows the categories that the items have, not those that there are.
    """
    none = blocks[-1].columns.stop if blocks else 0
    bare = Listed.nothing(items.height)
    places, shares, ends, heads = [bare.places], [bare.shares], [0], []
    for block in blocks:
        codes = _codes(block, items)
        heads.append(_first(codes))
        own = [sorted(set(each)) for each in codes]
        each = np.fromiter(map(len, own), dtype=np.int64, count=len(own))
        width, total = int(each.max(initial=0)), int(each.sum())
        columns = np.fromiter(itertools.chain.from_iterable(own), dtype=np.int64, count=total)
        rows = np.repeat(np.arange(len(own)), each)
        nth = np.arange(total) - np.repeat(np.cumsum(each) - each, each)
        at = np.full((len(own), width), none, dtype=np.int64)
        share = np.zeros((len(own), width), dtype=np.float32)
        at[rows, nth] = block.start + columns
        share[rows, nth] = 1.0 / each[rows]
        places.append(at)
        shares.append(share)
        ends.append(ends[-1] + width)
    found = Listed(np.concatenate(places, 1), np.concatenate(shares, 1), tuple(ends[1:]))
    return found, tuple(heads)


def numeric(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The numbers among the features, but those whose values are all alike within their ends."""
    return tuple(
        block for block in blocks if block.feature.kind is Kind.NUMERIC and len(block.knots) > 1
    )


def positions(blocks: Sequence[Block], items: pl.DataFrame) -> Floats:
    """[I, N] where each number of the items lies among its bands (`bands.positions`); 0 unknown.

    What a band has in common is in its category. This is the difference inside of it, and the
    order of the bands, which categories do not have.
    """
    own = [bands.positions(_values(items[each.name]), each.knots) for each in numeric(blocks)]
    return np.stack(own, 1) if own else np.zeros((items.height, 0), dtype=np.float32)


def _values(column: pl.Series) -> Floats:
    """[N] single precision; NaN for null."""
    return column.cast(pl.Float32).to_numpy().astype(np.float32)


def _codes(block: Block, items: pl.DataFrame) -> list[list[int]]:
    """Of each item the indices of its known categories, in its own order."""
    hashed = block.feature.hash_buckets is not None
    index = hash_buckets.index(block.categories, hashed=hashed)
    return [
        [index[name] for name in names if name in index]
        for names in _names(block, items[block.name])
    ]


def _first(codes: list[list[int]]) -> Ints:
    return np.array([each[0] if each else -1 for each in codes], dtype=np.int64)


def times(features: Sequence[Feature], items: pl.DataFrame) -> Doubles:
    """[I, M] seconds since 1970, NaN where unknown."""
    columns = [items[each.name].cast(pl.Float64).fill_null(math.nan) for each in features]
    if not columns:
        return np.zeros((items.height, 0))
    return np.stack([np.asarray(column.to_numpy(), dtype=np.float64) for column in columns], 1)


def embeddings(features: Sequence[Feature], items: pl.DataFrame) -> Floats:
    """[I, E] the embeddings of each item, one after another; zeros where one is missing."""
    parts = [np.zeros((items.height, 0), dtype=np.float32)]
    for feature in features:
        length = feature.length or 0
        part = np.zeros((items.height, length), dtype=np.float32)
        for row, text in enumerate(items[feature.name].to_list()):
            if text is not None:
                part[row] = np.array(text.split(), dtype=np.float32)
        parts.append(part)
    return np.concatenate(parts, axis=1)


def _names(block: Block, column: pl.Series) -> Iterable[Sequence[str]]:
    """The categories of each row."""
    if block.feature.kind is Kind.NUMERIC:
        values = _values(column)
        at = np.searchsorted(np.array(block.edges, dtype=np.float32), values, side="right")
        known = ~np.isnan(values)
        return [
            [block.categories[place]] if is_known else []
            for place, is_known in zip(at, known, strict=True)
        ]
    calendar = LocalCalendar.of(block.feature)
    texts = (column if calendar is None else calendar.named(column)).to_list()
    if block.feature.kind is Kind.MULTI_CATEGORICAL:
        return [text.split(" ") if text else [] for text in texts]
    return [[text] if text is not None else [] for text in texts]
