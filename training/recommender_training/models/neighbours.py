"""Sparse item-to-item weights: the nearest neighbours of each item, for catalogues of any size.

They are those of `item_weights`, of which each item keeps the largest. EASE is fitted to the
HEAD_ITEMS that are liked most; a pair with an item beyond them has the cosine of the users who
like both. The parts are scaled as the dense ones are, by the mean square of a row that has any.
The cost follows the events, of which the newest MAX_EVENTS are read. Legend of shapes: U users,
I items, J items of the head.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from recommender_training.common.arrays import Bools, Floats, Ints, Places
from recommender_training.data.dataset import Events
from recommender_training.models.ease import liked_together, of_mean_square_one
from recommender_training.models.item_transitions import LAGS, ItemTransitions

#: Items that EASE is fitted to: their Gram matrix is dense, [J, J].
HEAD_ITEMS = 3_000
#: Neighbours kept of an item, and of all items together, 8 bytes each in the graph.
MOST_NEIGHBOURS, LEAST_NEIGHBOURS, ALL_NEIGHBOURS = 100, 20, 20_000_000
#: Newest events that are read, and a user's newest positive ones that are paired.
MAX_EVENTS, MAX_LIKED = 2_000_000, 200
#: Pairs of events that are held at a time, 20 bytes each, several times over.
_BLOCK_PAIRS = 8_000_000


def most_neighbours(count: int) -> int:
    """Neighbours kept of each of so many items."""
    return int(np.clip(ALL_NEIGHBOURS // max(1, count), LEAST_NEIGHBOURS, MOST_NEIGHBOURS))


def fit(events: Events, count: int, following_weight: float) -> sp.csr_matrix:
    """[I, I] float32 weights with at most `most_neighbours` in a row; row: item of the session."""
    events = _newest(events)
    head, most = _head(events, count), most_neighbours(count)
    liked, after = _Rows(most), _Rows(most)
    matrix, found = liked_by_users(events, count), ItemTransitions.of(events, count)
    blocks = list(_blocks(events, count))
    for block in blocks:
        liked.add(_cosine(matrix, block, head)[block])
        after.add(found.weighted(found.sums(events, block))[block])
    ease = _ease(events, head, count, most)
    # A block at a time: all sums at once, and their order, take more than the rest of a training.
    best = [
        largest(ease[block] + liked.scaled(at) + following_weight * after.scaled(at), most)
        for at, block in enumerate(blocks)
    ]
    return sp.vstack(best, format="csr", dtype=np.float32)


class _Rows:
    """The largest weights of each row, and the mean square of the rows that they are of.

    Legend of shapes: B rows of a block.
    """

    def __init__(self, most: int) -> None:
        self._parts: list[sp.csr_matrix] = []
        self._most, self._square, self._rows = most, 0.0, 0

    def add(self, weights: sp.csr_matrix) -> None:
        """Add weights [B, I] of the next block."""
        self._square += float((weights.data**2).sum())
        self._rows += int((np.diff(weights.indptr) > 0).sum())
        self._parts.append(largest(weights, self._most))

    def scaled(self, at: int) -> sp.csr_matrix:
        """[B, I] the kept weights of a block, scaled by the mean square of all; zeros stay."""
        size, part = float(np.sqrt(self._square / max(1, self._rows))), self._parts[at]
        return part / size if size > 0 else part


def _newest(events: Events) -> Events:
    """At most MAX_EVENTS; they are sorted by time."""
    return events.take(np.arange(max(0, len(events) - MAX_EVENTS), len(events)))


def _head(events: Events, count: int) -> Ints:
    """[J] the items with the most positive events, ascending."""
    liked = np.bincount(events.item[events.positive], minlength=count)
    best = np.argsort(-liked, kind="stable")[:HEAD_ITEMS]
    return np.sort(best[liked[best] > 0]).astype(np.int64)


def _ease(events: Events, head: Ints, count: int, most: int) -> sp.csr_matrix:
    """[I, I] the largest weights of EASE between the items of the head."""
    if len(head) == 0:
        return sp.csr_matrix((count, count))
    place = np.full(count, -1)
    place[head] = np.arange(len(head))
    inside = events.take(place[events.item] >= 0)
    own = replace(inside, item=place[inside.item])
    weights = of_mean_square_one(liked_together(own, len(head)))
    kept = min(most, len(head))
    columns = np.argpartition(-weights, kept - 1, axis=1)[:, :kept]
    values = np.take_along_axis(weights, columns, 1)
    rows = np.repeat(head, kept)
    return sp.csr_matrix((values.ravel(), (rows, head[columns.ravel()])), shape=(count, count))


def liked_by_users(events: Events, count: int) -> sp.csr_matrix:
    """[U, I] ones for the newest MAX_LIKED positive events of each user."""
    rows = np.flatnonzero(events.positive)
    rows = rows[np.lexsort((-rows, events.user[rows]))]  # by user, newest first
    users, start, user = np.unique(events.user[rows], return_index=True, return_inverse=True)
    kept = np.arange(len(rows)) - start[user] < MAX_LIKED
    shape = (max(1, len(users)), count)
    places = (user[kept], events.item[rows][kept])
    matrix = sp.csr_matrix((np.ones(int(kept.sum())), places), shape=shape)
    matrix.data[:] = 1.0  # an item liked twice counts once
    return matrix


def _cosine(liked: sp.csr_matrix, block: Bools, head: Ints) -> sp.csr_matrix:
    """[I, I] cosine of the users who like two items that are not both of the head.

    Rows of the `block` [I] alone.
    """
    users = np.asarray(liked.sum(0)).ravel()
    inside = np.zeros(len(users), dtype=np.bool_)
    inside[head] = True
    both = ((liked @ sp.diags(block.astype(np.float64))).T.tocsr() @ liked).tocoo()
    wanted = (both.row != both.col) & ~(inside[both.row] & inside[both.col])
    row, column = both.row[wanted], both.col[wanted]
    near = both.data[wanted] / np.sqrt(users[row] * users[column])
    return sp.csr_matrix((near, (row, column)), shape=both.shape)


def _blocks(events: Events, count: int) -> Iterator[Bools]:
    """Marks [I] of the items of each block, in order; their events make about _BLOCK_PAIRS."""
    pairs = np.bincount(events.item, minlength=count) * (LAGS + MAX_LIKED // 2)
    block = (np.cumsum(pairs) - 1).clip(min=0) // _BLOCK_PAIRS
    for number in np.unique(block):
        yield block == number


def largest(weights: sp.csr_matrix, most: int) -> sp.csr_matrix:
    """The `most` largest weights of each row, of equal ones those of the lower column."""
    whole = weights.tocoo()
    order = np.lexsort((whole.col, -whole.data, whole.row))
    row = whole.row[order]
    start: Ints = np.searchsorted(row, np.arange(weights.shape[0]))
    kept = order[np.arange(len(row)) - start[row] < most]
    data = (whole.data[kept], (whole.row[kept], whole.col[kept]))
    return sp.csr_matrix(data, shape=weights.shape)


def table(weights: sp.csr_matrix) -> tuple[Places, Floats]:
    """[I, K] columns + 1 of each row's weights, 0 for none, and [I, K] the weights.

    K is the most that a row has, one at least.
    """
    lengths = np.diff(weights.indptr)
    width = max(1, int(lengths.max(initial=0)))
    row = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(row)) - weights.indptr[row]
    columns = np.zeros((len(lengths), width), dtype=np.int32)
    values = np.zeros((len(lengths), width), dtype=np.float32)
    columns[row, place], values[row, place] = weights.indices + 1, weights.data
    return columns, values
