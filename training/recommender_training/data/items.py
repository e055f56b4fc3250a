"""The catalogue: what is known of each item, and what was known of it at a time.

Legend of shapes: I items, G columns of their categories, W categories that an item has at most, M
times of items, E numbers of their embeddings, N declared numbers, V rows of the table where an
item has several.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender_training.common.arrays import Doubles, Floats, Ints, Places
from recommender_training.data import item_columns, row_times
from recommender_training.data.feature_encoding import Block, FeatureEncoding
from recommender_training.data.item_columns import Listed
from recommender_training.data.row_times import RowTimes


@dataclass(frozen=True)
class Items:
    """The catalogue, sorted by raw id; with a history, the rows that count at `known_at`."""

    ids: Ints  # [I]
    listed: Listed  # [I, W] the categories of each item
    blocks: tuple[Block, ...] = ()  # the features, whose columns follow one another
    first: tuple[Ints, ...] = ()  # of each block [I]: an item's first category, -1 none
    times: Doubles = field(default_factory=lambda: np.zeros((0, 0)))  # [I, M] seconds since 1970
    time_names: tuple[str, ...] = ()  # [M]
    embeddings: Floats = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    #: [I, N] where declared numbers lie among their bands.
    positions: Floats = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    history: ItemHistory | None = None  # with a declared validFrom
    known_at: int | None = None  # when all requests see the items; None: each at its own time
    vectors: tuple[tuple[str, int], ...] = ()  # name and length of each of the embeddings

    @property
    def count(self) -> int:
        """Number of items."""
        return len(self.ids)

    @property
    def tag_names(self) -> tuple[str, ...]:
        """[G] `feature:category`."""
        return tuple(f"{block.name}:{each}" for block in self.blocks for each in block.categories)

    @property
    def position_names(self) -> tuple[str, ...]:
        """[N] `feature:number`."""
        return tuple(f"{block.name}:number" for block in item_columns.numeric(self.blocks))

    @property
    def category_count(self) -> int:
        """G, the number of categories of all features."""
        return self.blocks[-1].columns.stop if self.blocks else 0

    @functools.cached_property
    def tags(self) -> sp.csr_matrix:
        """[I, G] sparse, one for each category that an item has."""
        has = self.listed.shares > 0
        ends = np.r_[0, np.cumsum(has.sum(1))]
        places = self.listed.places[has]
        ones = np.ones(len(places), dtype=np.float32)
        return sp.csr_matrix((ones, places, ends), shape=(self.count, self.category_count))

    @property
    def fairness(self) -> tuple[Block, ...]:
        """The features whose exposure is reported."""
        return tuple(block for block in self.blocks if block.feature.fairness)

    @property
    def nbytes(self) -> int:
        """Bytes of the features of all items, those of their history in its place."""
        if self.history is not None:
            return self.history.rows.nbytes
        floats = (self.listed.shares, self.embeddings, self.positions)
        of_all = sum(each.nbytes for each in floats) + self.times.nbytes
        return of_all + sum(each.nbytes for each in (self.ids, self.listed.places, *self.first))

    def seen_at(self, times: Ints) -> Ints:
        """Return [R] the time as of which requests at `times` [R] see the items."""
        return times if self.known_at is None else np.full_like(times, self.known_at)

    def at(self, items: Places, times: Ints) -> tuple[Items, Ints]:
        """Return a table, and which of its rows the items were at `times`; shapes broadcast."""
        if self.history is None or (self.known_at is not None and np.all(times == self.known_at)):
            return self, np.asarray(items, dtype=np.int64)
        return self.history.rows, self.history.places(items, times)

    def as_of(self, time: int) -> Items:
        """Return the catalogue as it was at a time; the same where items have no history."""
        if self.history is None:
            return self
        places = self.history.places(np.arange(self.count), np.full(self.count, time))
        found = self.history.rows.take(places)
        return replace(found, ids=self.ids, history=self.history, known_at=time)

    def take(self, rows: Ints) -> Items:
        """Return the items at these rows, without their history."""
        listed = Listed(self.listed.places[rows], self.listed.shares[rows], self.listed.ends)
        return replace(
            self,
            ids=self.ids[rows],
            listed=listed,
            first=tuple(each[rows] for each in self.first),
            times=self.times[rows],
            embeddings=self.embeddings[rows],
            positions=self.positions[rows],
            history=None,
            known_at=None,
        )


@dataclass(frozen=True)
class ItemHistory:
    """The rows of all items, one item after another and the oldest first."""

    rows: Items  # [V + 1], an id as often as it has rows; the last one knows nothing of its item
    times: RowTimes  # of the V rows; the owners are rows in Items

    def places(self, items: Places, times: Ints) -> Ints:
        """Return the row that counts of each of these items at `times`; shapes broadcast."""
        found = self.times.places(items, times)
        return np.where(found < 0, len(self.times.owner), found)


def build_items(frame: pl.DataFrame, coded: FeatureEncoding) -> Items:
    """Return the catalogue of a table of items."""
    if row_times.COLUMN not in frame.columns:
        return _rows(frame.sort("item_id"), coded)
    frame = row_times.ordered(frame, "item_id")
    ids = frame["item_id"].to_numpy().astype(np.int64)
    owner = np.unique(ids, return_inverse=True)[1].astype(np.int64)
    times = RowTimes(owner, row_times.since(frame).to_numpy().astype(np.int64))
    nothing = pl.DataFrame({"item_id": [-1]}, schema={"item_id": pl.Int64})
    rows = _rows(pl.concat([frame, nothing], how="diagonal"), coded)
    return replace(rows.take(times.newest), history=ItemHistory(rows, times))


def _rows(frame: pl.DataFrame, coded: FeatureEncoding) -> Items:
    listed, first = item_columns.listed(coded.blocks, frame)
    return Items(
        frame["item_id"].to_numpy().astype(np.int64),
        listed,
        coded.blocks,
        first,
        item_columns.times(coded.times, frame),
        tuple(each.name for each in coded.times),
        item_columns.embeddings(coded.embeddings, frame),
        item_columns.positions(coded.blocks, frame),
        vectors=tuple((each.name, each.length or 0) for each in coded.embeddings),
    )
