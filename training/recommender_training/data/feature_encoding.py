"""Encoding of declared features: columns of a feature of requests, a block of one of items.

What a request says of its user and context is a row of floats: the index of a category, or the
number itself; NaN is missing or unknown. A MultiCategorical has `maxPerRow` such columns, an
Embedding one for each of its numbers (`data.value_columns`). What is known of items is zero or
one by category, and for a number also where it lies among its bands (`data.item_columns`).
Numbers fall into bands, whose edges are the declared ones or the quantiles of the data. A time is
in days since 1970, as single precision holds it to two minutes; `features.graph` makes an age of
it, which falls into bands as a number does. Of a time with a declared calendar the category is
coded here, exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import polars as pl

from recommender_contract import hash_buckets
from recommender_contract.bands import names
from recommender_contract.features import Kind
from recommender_contract.local_calendar import NAMES
from recommender_training.common.arrays import Floats
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureSchema, FeatureTable
from recommender_training.data import bands, feature_vocabulary, value_columns
from recommender_training.data.encoding_rows import EncodingRows
from recommender_training.data.feature_vocabulary import SECONDS_A_DAY as SECONDS_A_DAY
from recommender_training.data.local_calendar import LocalCalendar

#: Categories of a feature that declares no maxCategories: the most frequent ones.
MAX_CATEGORIES = 1000
BOOLEANS = ("false", "true")
#: Largest number of an Embedding on either side of 0, as ingestion has it.
_LARGEST = 1e30


@dataclass(frozen=True)
class Attribute:
    """One declared feature of users or context: a column of what a request says, or several."""

    feature: Feature
    place: FeatureTable
    categories: tuple[str, ...]  # names of the categories, bands or numbers of an Embedding
    edges: tuple[float, ...] = ()  # of a number: the first value of each band but the lowest
    scale: float = 1.0  # of an Embedding: the mean length of those that were known in training

    @property
    def name(self) -> str:
        """The declared name."""
        return self.feature.name

    @property
    def banded(self) -> bool:
        """True if a value is a number or a time that falls into bands, no index of a category."""
        return self.feature.kind is Kind.NUMERIC or self.timed

    @property
    def timed(self) -> bool:
        """True if a value is a time, of which the age in days falls into bands."""
        return self.feature.ages

    @property
    def calendar(self) -> LocalCalendar | None:
        """The declared calendar, which makes a category of a time, or None."""
        return LocalCalendar.of(self.feature)

    @property
    def length(self) -> int:
        """How many numbers an Embedding has; 0 of any other kind."""
        return self.feature.length or 0

    @property
    def lanes(self) -> int:
        """How many buckets a request names; of an Embedding one, which says that it is unknown."""
        return self.feature.most if self.feature.kind is Kind.MULTI_CATEGORICAL else 1

    @property
    def width(self) -> int:
        """How many columns a request has for it."""
        return self.length or self.lanes

    @property
    def buckets(self) -> int:
        """Number of categories, bands or numbers of an Embedding, and one for unknown values."""
        return len(self.categories) + 1

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest known value; of a time, those of its age."""
        if self.banded:
            return self.feature.lowest, self.feature.highest
        if self.length:
            return -_LARGEST, _LARGEST
        return 0.0, len(self.categories) - 1.0

    @property
    def served(self) -> float:
        """The value at serving where the request has none; NaN where none is declared."""
        if self.feature.served_as is None:
            return math.nan
        return float(self.codes(pl.DataFrame({self.name: [self.feature.served_as]}))[0])

    def stated(self, values: Floats) -> pl.Series:
        """[N] the values [N] or [N, W] as a table has them; null where unknown.

        Of a category of a calendar, some time that has it.
        """
        values = values.reshape(len(values), self.width)
        if self.length:
            return pl.Series(self.name, value_columns.numbers_of(values), dtype=pl.String)
        if self.feature.kind is Kind.MULTI_CATEGORICAL:
            names = value_columns.names_of(values, self.categories)
            return pl.Series(self.name, names, dtype=pl.String)
        values = values.reshape(-1)
        if self.calendar is not None:
            times = [*self.calendar.examples().tolist(), None]
            places = np.where(np.isnan(values), len(times) - 1, values).astype(np.int64)
            found = [times[place] for place in places.tolist()]
            return pl.Series(self.name, found, dtype=pl.Int64)
        if self.timed:
            seconds = pl.Series(self.name, values.astype(np.float64) * SECONDS_A_DAY)
            return seconds.fill_nan(None).round().cast(pl.Int64)
        if self.banded:
            return pl.Series(self.name, values, dtype=pl.Float64).fill_nan(None)
        known = [*self.categories, None]
        places = np.where(np.isnan(values), len(self.categories), values).astype(np.int64)
        return pl.Series(self.name, [known[place] for place in places.tolist()], dtype=pl.String)

    def columns(self, frame: pl.DataFrame) -> Floats:
        """[N, W] values of this feature in `frame`."""
        column, hashed = frame[self.name], self.feature.hash_buckets is not None
        if self.length:
            return value_columns.vectors(column, self.length)
        if self.feature.kind is Kind.MULTI_CATEGORICAL:
            return value_columns.listed(column, self.categories, self.lanes, hashed=hashed)
        return self.codes(frame)[:, None]

    def codes(self, frame: pl.DataFrame) -> Floats:
        """[N] values of this feature, which has one column, in `frame`."""
        column = frame[self.name]
        if self.calendar is not None:
            return self.calendar.values(column)
        if self.timed:
            column = column.cast(pl.Float64) / SECONDS_A_DAY
        if self.banded:
            values = column.cast(pl.Float32, strict=False)
            return np.asarray(values.fill_null(math.nan).to_numpy(), dtype=np.float32)
        hashed = self.feature.hash_buckets is not None
        return value_columns.indices(column, self.categories, hashed=hashed)


@dataclass(frozen=True)
class Block:
    """One declared feature of items: its columns among those of all."""

    feature: Feature
    categories: tuple[str, ...]
    start: int
    edges: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """The declared name."""
        return self.feature.name

    @property
    def knots(self) -> tuple[float, ...]:
        """The known ends of the bands of a number."""
        return bands.knots(self.edges, self.feature.lowest, self.feature.highest)

    @property
    def columns(self) -> slice:
        """Its columns."""
        return slice(self.start, self.start + len(self.categories))


@dataclass(frozen=True)
class FeatureEncoding:
    """How the declared features of a data set are coded."""

    attributes: tuple[Attribute, ...]  # of users first, then of context
    blocks: tuple[Block, ...]
    times: tuple[Feature, ...]  # Timestamps of items whose age is read
    embeddings: tuple[Feature, ...]  # of items

    @classmethod
    def of(
        cls,
        declared: FeatureSchema,
        users: pl.DataFrame,
        items: pl.DataFrame,
        interactions: pl.LazyFrame,
        until: int | None = None,
    ) -> FeatureEncoding:
        """The coding of the values in these tables.

        Bands of numbers and ages are learned from what was known strictly before `until`, in
        seconds since 1970: the end of the training window, or none.
        """
        rows = EncodingRows(users, items, interactions)
        both = (rows.until(until), rows)
        places = ((FeatureTable.USERS, declared.users), (FeatureTable.CONTEXT, declared.context))
        attributes = [
            Attribute(
                each,
                place,
                *_known(each, place, *both),
                value_columns.scale(each, *(known.of(each, place) for known in both)),
            )
            for place, features in places
            for each in features
        ]
        blocks: list[Block] = []
        for feature in declared.items:
            if feature.ages or feature.kind is Kind.EMBEDDING:
                continue
            categories, edges = _known(feature, FeatureTable.ITEMS, *both)
            start = blocks[-1].columns.stop if blocks else 0
            blocks.append(Block(feature, categories, start, edges))
        times = tuple(each for each in declared.items if each.ages)
        embeddings = tuple(each for each in declared.items if each.kind is Kind.EMBEDDING)
        return cls(tuple(attributes), tuple(blocks), times, embeddings)

    def of_place(self, place: FeatureTable) -> tuple[Attribute, ...]:
        """The attributes of users or of context."""
        return tuple(each for each in self.attributes if each.place is place)


def values(attributes: Sequence[Attribute], frame: pl.DataFrame) -> Floats:
    """[N, F] values of the rows of `frame`, the columns of the first attribute first."""
    if not attributes:
        return np.zeros((frame.height, 0), dtype=np.float32)
    return np.concatenate([each.columns(frame) for each in attributes], axis=1)


def starts(attributes: Sequence[Attribute]) -> list[int]:
    """The first column of each attribute, and where the last one ends."""
    return [0, *accumulate(each.width for each in attributes)]


def _known(
    feature: Feature, place: FeatureTable, past: EncodingRows, every: EncodingRows
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The categories of a feature, or the names of its bands, and the edges of these.

    Categories are first the most frequent ones of the `past`, then, where there is room, those of
    `every` row. A new one has no row to learn from and stays at its prior, as an unknown one
    would; but drift, fairness and the lists of popularity name it. Edges move what all rows mean,
    so they are those of the `past`, unless nothing was known of it then.
    """
    if feature.kind is Kind.BOOLEAN:
        return BOOLEANS, ()
    if feature.kind is Kind.EMBEDDING:
        return tuple(map(str, range(feature.length or 0))), ()
    if feature.calendar is not None:
        return NAMES[feature.calendar], ()
    if feature.kind in (Kind.NUMERIC, Kind.TIMESTAMP):
        edges = feature.edges or feature_vocabulary.band_edges(feature, place, past, every)
        minimum = 0.0 if feature.kind is Kind.TIMESTAMP else feature.minimum
        return names(edges, minimum), edges
    if feature.hash_buckets is not None:
        return hash_buckets.names(feature.hash_buckets), ()
    most = feature.max_categories or MAX_CATEGORIES
    kept = feature_vocabulary.most_frequent(feature, past.of(feature, place), most)
    if len(kept) < most and past is not every:
        # So many more hold those that are kept already, and what there is room for.
        others = feature_vocabulary.most_frequent(
            feature, every.of(feature, place), most + len(kept)
        )
        kept = list(dict.fromkeys([*kept, *others]))[:most]
    return tuple(sorted(kept)), ()
