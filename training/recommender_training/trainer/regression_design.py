"""Design matrix of the regression: the declared features of both sides, and their products.

Each feature of requests and of items has a column for each of its categories, bands and numbers,
and so has each product of a feature of requests with one of items. The numbers that the ranker
reads, and how far both sides agree, are columns too. Ids are not.

Legend of shapes: N rows, K entries of a row, W columns, G groups; R and C of W are columns of
requests and of items.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch

from recommender_training.common.arrays import Floats, Ints
from recommender_training.data.dataset import Dataset
from recommender_training.features.assembly import Inputs
from recommender_training.features.event_features import Source
from recommender_training.models import request_embeddings
from recommender_training.models.ranker import Ranker

#: Products of two features have so many columns at most, a row so many entries of them, and the
#: features of one side that have products so many columns: those with few values come first.
MOST_COLUMNS, MOST_ENTRIES, MOST_CROSSED = 4_096, 400, 1_024
_ROWS = 16_384


class Entries(NamedTuple):
    """Entries of one feature by row: the columns [N, K] of it, and the numbers [N, K] in them."""

    width: int
    columns: Ints
    numbers: Floats


class Size(NamedTuple):
    """Columns of a feature, and entries of a row in them."""

    columns: int
    entries: int


@dataclass(frozen=True)
class Terms:
    """The groups of columns: the numbers, each feature, and the products of two."""

    numbers: int
    requests: tuple[int, ...]  # columns of each feature of requests
    items: tuple[int, ...]  # and of items
    products: tuple[tuple[int, int], ...]  # places of the features of both
    entries: int  # of a row

    @classmethod
    def of(cls, model: Ranker, data: Dataset) -> Terms:
        """Those of a ranker on this data set."""
        requests = [Size(each.buckets, each.lanes + each.length) for each in data.attributes]
        items = _item_sizes(data)
        products, total = choose_products(requests, items)
        numbers = len(model.mean) + len(model.size.matches)
        total += numbers + sum(own for _, own in (*requests, *items))
        return cls(
            numbers,
            tuple(count for count, _ in requests),
            tuple(count for count, _ in items),
            products,
            total,
        )

    @property
    def sizes(self) -> list[int]:
        """[G] columns of each group."""
        of_products = (self.requests[mine] * self.items[other] for mine, other in self.products)
        return [self.numbers, *self.requests, *self.items, *of_products]

    @property
    def group(self) -> Ints:
        """[W] the group of each column."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @property
    def crossed(self) -> tuple[Ints, Ints]:
        """[R] of all columns of requests, and [C] of items, those of features with products."""
        sides = []
        for side, counts in enumerate((self.requests, self.items)):
            places = {product[side] for product in self.products}
            sides.append(
                np.flatnonzero(np.repeat([each in places for each in range(len(counts))], counts))
            )
        return sides[0], sides[1]

    def divide(self, weights: Floats) -> tuple[Floats, list[Floats], list[Floats], Floats]:
        """Those [W] of the numbers, of each feature of requests and of items, and of products as
        one matrix [R, C] of the `crossed` columns.
        """
        parts = np.split(weights, np.cumsum(self.sizes)[:-1])
        numbers, rest = parts[0], parts[1:]
        mine, rest = rest[: len(self.requests)], rest[len(self.requests) :]
        theirs, products = rest[: len(self.items)], rest[len(self.items) :]
        rows, columns = self.crossed
        matrix = np.zeros((len(rows), len(columns)), dtype=np.float32)
        ends = [np.cumsum(counts) for counts in (self.requests, self.items)]
        first = [np.searchsorted(rows, ends[0] - self.requests)]
        first.append(np.searchsorted(columns, ends[1] - self.items))
        for (place, other), block in zip(self.products, products, strict=True):
            part = block.reshape(self.requests[place], self.items[other])
            row, column = first[0][place], first[1][other]
            matrix[row : row + part.shape[0], column : column + part.shape[1]] = part
        return numbers, mine, theirs, matrix


def choose_products(
    requests: Sequence[Size], items: Sequence[Size]
) -> tuple[tuple[tuple[int, int], ...], int]:
    """Return the places of the features of both sides to multiply, and the entries of a row."""
    sizes = sorted(
        (mine.columns * theirs.columns, place, other, mine.entries * theirs.entries)
        for place, mine in enumerate(requests)
        for other, theirs in enumerate(items)
    )
    products: list[tuple[int, int]] = []
    crossed: tuple[dict[int, int], dict[int, int]] = ({}, {})  # columns by place
    total = 0
    for columns, place, other, entries in sizes:
        mine = crossed[0] | {place: requests[place].columns}
        theirs = crossed[1] | {other: items[other].columns}
        widest = max(sum(mine.values()), sum(theirs.values()))
        fits = columns <= MOST_COLUMNS and total + entries <= MOST_ENTRIES
        if fits and widest <= MOST_CROSSED:
            products.append((place, other))
            crossed = (mine, theirs)
            total += entries
    return tuple(products), total


def _item_sizes(data: Dataset) -> list[Size]:
    """Columns and entries of each feature of items: blocks, embeddings, declared numbers."""
    ends = data.items.listed.ends
    slots = np.diff([0, *ends]).tolist()
    blocks = [len(each.categories) for each in data.items.blocks]
    counts = [
        *zip(blocks, slots, strict=True),
        *((length, length) for _, length in data.items.vectors),
        *((1, 1) for _ in data.items.position_names),
    ]
    return [Size(*each) for each in counts]


def design(
    terms: Terms, model: Ranker, data: Dataset, inputs: Source, rows: Ints
) -> sp.csr_matrix:
    """[N, W] the columns of these rows, filled a part at a time."""
    columns = np.zeros((len(rows), terms.entries), dtype=np.int32)
    values = np.zeros((len(rows), terms.entries), dtype=np.float32)
    for first in range(0, len(rows), _ROWS):
        part = slice(first, first + _ROWS)
        start, at = 0, 0
        for each in _terms(terms, model, data, inputs.take(torch.from_numpy(rows[part]))):
            stop = at + each.columns.shape[1]
            columns[part, at:stop] = each.columns + start
            values[part, at:stop] = each.numbers
            start, at = start + each.width, stop
    ends = np.arange(len(rows) + 1, dtype=np.int64) * terms.entries
    shape = (len(rows), sum(terms.sizes))
    found = sp.csr_matrix((values.ravel(), columns.ravel(), ends), shape=shape)
    found.eliminate_zeros()
    return found


def _terms(terms: Terms, model: Ranker, data: Dataset, batch: Inputs) -> Iterator[Entries]:
    requests, items = list(_of_requests(model, batch)), list(_of_items(model, data, batch))
    yield _numbers(model, batch)
    yield from requests
    yield from items
    for place, other in terms.products:
        mine, theirs = requests[place], items[other]
        columns = mine.columns[:, :, None] * theirs.width + theirs.columns[:, None, :]
        numbers = mine.numbers[:, :, None] * theirs.numbers[:, None, :]
        rows = len(columns)
        yield Entries(
            mine.width * theirs.width, columns.reshape(rows, -1), numbers.reshape(rows, -1)
        )


def _numbers(model: Ranker, batch: Inputs) -> Entries:
    read = torch.cat([batch.numbers, batch.taste, batch.extra], 1)
    found = [(read - model.mean) / model.scale]
    if model.matches is not None:
        with torch.no_grad():
            found.append(model.matches.numbers(batch, model.content) / model.matches.scale)
    return _dense(torch.cat(found, 1).numpy(), 0)


def _dense(numbers: Floats, first: int) -> Entries:
    """Numbers [N, K] that have a column each, from the `first` one on."""
    places = np.arange(first, first + numbers.shape[1])
    return Entries(first + numbers.shape[1], np.broadcast_to(places, numbers.shape), numbers)


def _of_requests(model: Ranker, batch: Inputs) -> Iterator[Entries]:
    """As `request_embeddings.embed_request` reads them."""
    for weights, lanes, numbers in request_embeddings.embedding_tables(
        model.side, model.size.spans, batch.side, batch.vector
    ):
        there = (lanes >= 0).float()
        share = there / there.sum(1, keepdim=True).clamp(min=1.0)
        columns, values = lanes.clamp(min=0).numpy(), share.numpy()
        if numbers.shape[1]:
            dense = _dense(numbers.numpy(), 1)
            columns = np.hstack([columns, dense.columns])
            values = np.hstack([values, dense.numbers])
        yield Entries(len(weights), columns, values)


def _of_items(model: Ranker, data: Dataset, batch: Inputs) -> Iterator[Entries]:
    """As `ItemContent` reads them, feature by feature."""
    with torch.no_grad():
        known = model.content.known(batch.target, batch.items_at)
    places, shares, numbers = (each.numpy() for each in known)
    start = 0
    for block, end in zip(data.items.blocks, data.items.listed.ends, strict=True):
        own = shares[:, start:end]
        columns = np.where(own > 0, places[:, start:end] - block.columns.start, 0)
        yield Entries(len(block.categories), columns, own)
        start = end
    first = 0
    for width in (
        *(length for _, length in data.items.vectors),
        *(1 for _ in data.items.position_names),
    ):
        yield _dense(numbers[:, first : first + width], 0)
        first += width
