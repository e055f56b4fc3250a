"""IVF index (inverted file) of the first stage, for catalogues beyond a million items.

A request scores the items of the cells whose items it would score highest on average, and no
others. So items of a cell have to score alike. The score of an item is an inner product, that of
the request's vector with a 1 behind it and of the item's with its standing behind it. The mean
square of the difference of two items' scores, over requests, is a squared distance after a linear
map: the root of the second moment of the requests. There k-means groups the items, and the groups
are cut into cells. Lengths of vectors and popularity are parts of the score like any other; no
vector is brought to length one.

How many cells a request reads follows from sampled requests (`probes_for`).

Legend of shapes: I items, D width of the towers, G cells, S items of a cell, Q requests.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender_training.common.arrays import Bools, Floats, Ints, Places

#: S, the items of a cell. Smaller ones fit requests better, and each costs a product.
CELL_SIZE = 64
#: Items of a group of k-means on average, and items of each that it is fitted to.
_GROUP, _SAMPLED = 1_024, 64
_ROUNDS = 10
#: How much the spread of a cell counts for it, in deviations of the scores of its items.
_REACH = 1.0
#: Items whose scores are held at once.
_BLOCK = 4_000_000


@dataclass(frozen=True)
class IvfIndex:
    """Items by cell, and the number of cells that a request probes."""

    items: Places  # [G, S] rows of items; -1 for none
    reach: Floats  # [G] what is added to the mean score of a cell
    probes: int

    @property
    def cells(self) -> int:
        """G, the number of cells."""
        return len(self.items)

    def means(self, vectors: Floats, standing: Floats) -> tuple[Floats, Floats]:
        """Return [G, D] and [G] the mean vector [I, D] and standing [I] of each cell, with its
        reach.
        """
        there = self.items >= 0
        share = (there / there.sum(1, keepdims=True)).astype(np.float32)
        found = np.empty((self.cells, vectors.shape[1]), dtype=np.float32)
        for part in _parts(self.cells, CELL_SIZE * vectors.shape[1]):
            named = vectors[self.items[part].clip(min=0)]
            found[part] = np.einsum("gsd,gs->gd", named, share[part])
        level = (standing[self.items.clip(min=0)] * share).sum(1)
        return found, (level + self.reach).astype(np.float32)

    def cell_of(self, count: int) -> Ints:
        """Return [I] the cell of each of so many items."""
        cells = np.empty(count, dtype=np.int64)
        cell, place = np.nonzero(self.items >= 0)
        cells[self.items[cell, place]] = cell
        return cells


def build_index(vectors: Floats, standing: Floats, requests: Floats, seed: int) -> IvfIndex:
    """The cells of items with these vectors [I, D] and standing [I], for requests like [Q, D].

    They are all read.
    """
    points = _points(vectors, standing, requests)
    items = _cells_of(points, _groups(points, seed))
    there = (items >= 0)[:, :, None]
    spread = np.empty(len(items), dtype=np.float32)
    for part in _parts(len(items), CELL_SIZE * points.shape[1]):
        own, real = points[items[part].clip(min=0)], there[part]
        size = real.sum(1)
        mean = (own * real).sum(1) / size
        spread[part] = np.sqrt((((own - mean[:, None]) ** 2) * real).sum((1, 2)) / size[:, 0])
    return IvfIndex(items, _REACH * spread, len(items))


def cell_ranks(
    ivf: IvfIndex, vectors: Floats, standing: Floats, requests: Floats, count: int
) -> Ints:
    """[Q, C] of the `count` best items of each request, how many cells come before theirs."""
    means, level = ivf.means(vectors, standing)
    cell_of = ivf.cell_of(len(vectors))
    found = np.empty((len(requests), count), dtype=np.int64)
    for part in _parts(len(requests), len(vectors)):
        own = requests[part]
        scores = own @ vectors.T + standing
        best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        order = np.argsort(-(own @ means.T + level), axis=1, kind="stable")
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.arange(ivf.cells)[None, :], 1)
        found[part] = np.take_along_axis(place, cell_of[best], 1)
    return found


def probes_for(ranked: Ints, recall: float) -> int:
    """The fewest cells with which so large a share of the best items [Q, C] is found."""
    every = np.sort(ranked.ravel())
    return int(every[max(0, int(np.ceil(recall * len(every))) - 1)]) + 1


def recall_of(ranked: Ints, read: int) -> float:
    """The share of the best items [Q, C] that so many cells have."""
    return float((ranked < read).mean())


def probed(level: Floats, read: int, slack: float = 0.0) -> Bools:
    """[Q, G] the cells that are read, of levels [Q, G]; with those that miss it by `slack`.

    A negative slack leaves out what would be read by as little. Without one they are exactly
    `read`: of equal levels the first, as in `ranks`.
    """
    if read >= level.shape[1]:
        return np.ones(level.shape, dtype=np.bool_)
    last = -np.partition(-level, read - 1, axis=1)[:, read - 1]
    if slack:
        return np.asarray(level >= last[:, None] - np.float32(slack))
    above, equal = level > last[:, None], level == last[:, None]
    room = read - above.sum(1, keepdims=True)
    return np.asarray(above | (equal & (equal.cumsum(1) <= room)))


def _points(vectors: Floats, standing: Floats, requests: Floats) -> Floats:
    """[I, D + 1] items, in whose distances the scores of requests differ on average.

    The columns are in the order of their variance over requests, so that cuts are along them.
    """
    asked = np.c_[requests, np.ones(len(requests), dtype=np.float32)].astype(np.float64)
    size, axes = np.linalg.eigh(asked.T @ asked / len(asked))
    root = axes * np.sqrt(size.clip(min=0))
    root = root * np.where(root[np.abs(root).argmax(0), np.arange(len(root))] < 0, -1.0, 1.0)
    whole = np.c_[vectors, standing].astype(np.float32)
    return np.asarray(whole @ root.astype(np.float32), dtype=np.float32)


def _groups(points: Floats, seed: int) -> Ints:
    """[I] the group of each item, by k-means on a sample of them."""
    count = max(1, len(points) // _GROUP)
    if count == 1:
        return np.zeros(len(points), dtype=np.int64)
    size = min(len(points), _SAMPLED * count)
    sample = np.sort(np.random.default_rng(seed).choice(len(points), size, replace=False))
    model = KMeans(count, init="random", n_init=1, max_iter=_ROUNDS, random_state=seed)
    with warnings.catch_warnings():  # items that are alike make fewer groups, which is no matter
        warnings.simplefilter("ignore", ConvergenceWarning)
        with threadpool_limits(1, user_api="openmp"):  # threads add up centres in any order
            model.fit(points[sample])
    return np.asarray(model.predict(points), dtype=np.int64)


def _cells_of(points: Floats, groups: Ints) -> Places:
    """[G, S] the items of each group, cut into cells of items that are near one another."""
    order = np.argsort(groups, kind="stable")
    ends = np.flatnonzero(np.diff(groups[order])) + 1
    cells = [cell for group in np.split(order, ends) for cell in _cut(points, group)]
    found = np.full((len(cells), CELL_SIZE), -1, dtype=np.int32)
    for number, cell in enumerate(cells):
        found[number, : len(cell)] = cell
    return found


def _cut(points: Floats, items: Ints) -> Iterator[Ints]:
    """Halve the items where they are widest, until a cell holds them; all but one are full."""
    if len(items) <= CELL_SIZE:
        yield items
        return
    own = points[items]
    axis = own[:, int(own.var(0).argmax())]
    half = -(-len(items) // CELL_SIZE) // 2 * CELL_SIZE
    order = items[np.argsort(axis, kind="stable")]
    yield from _cut(points, order[:half])
    yield from _cut(points, order[half:])


def _parts(count: int, width: int) -> Iterator[slice]:
    """All of so many rows, some at a time."""
    step = max(1, _BLOCK // max(1, width))
    for start in range(0, count, step):
        yield slice(start, start + step)
