"""What came right after the newest event of a session, and after its newest two.

A table has, for each such state, the items that came next and what each adds to the order: the log
of its probability relative to the next lower order, smoothed as Witten and Bell (1991) do,
https://doi.org/10.1109/18.87000. Of a state that was left N times towards T different items, an
item that came c times and has the share q in the lower order has the probability
(c + T q) / (N + T). So log popularity and both tables add up to the log of a Markov chain of
second order, but for what is the same for all items; items that never followed add 0.
Legend of shapes: I items, S pairs, R requests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from recommender_training.common.arrays import Doubles, Floats, Ints
from recommender_training.data.dataset import Dataset

#: Acts that the tables are counted from, the newest ones: they bound a graph to some 50 MB.
MAX_EVENTS = 2_000_000
#: Items of a state that are kept, those that came most often.
MOST_AFTER = 256


@dataclass(frozen=True)
class NextItems:
    """The tables, float32."""

    of_one: sp.csr_matrix  # [I, I]; row: the newest item
    of_two: sp.csr_matrix  # [S, I]; row: a pair
    #: [S] code of each pair, ascending: the earlier item times I plus the newest one.
    pairs: Ints

    def after_one(self, newest: Ints) -> Floats:
        """[R, I] what items get after the newest item [R] of each session, -1 for none."""
        return _rows(self.of_one, newest)

    def after_two(self, newest: Ints, before: Ints) -> Floats:
        """[R, I] the same after the newest item [R] and the one before it [R]."""
        code = np.where((newest >= 0) & (before >= 0), before * self.of_two.shape[1] + newest, -1)
        state = np.searchsorted(self.pairs, code)
        found = np.isin(code, self.pairs)
        return _rows(self.of_two, np.where(found, state, -1))


def fit(data: Dataset, time: int | None) -> NextItems:
    """From the events before a time, all if None."""
    events, items = data.events, data.items.count
    last = len(events) if time is None else int(np.searchsorted(events.time, time))
    acts = events.take(np.arange(last, dtype=np.int64)).acts
    acts = acts.take(np.arange(max(0, len(acts) - MAX_EVENTS), len(acts), dtype=np.int64))
    order = np.lexsort((acts.time, acts.user))
    user, item = acts.user[order], acts.item[order].astype(np.int64)
    positive = acts.positive[order]
    share = np.bincount(item[positive], minlength=items) + 1.0
    share /= share.sum()
    after = np.flatnonzero((user[1:] == user[:-1]) & positive[1:]) + 1
    one = _counts(item[after - 1], item[after], (items, items))
    after = after[after > 1]
    after = after[user[after - 2] == user[after]]
    pairs, state = np.unique(item[after - 2] * items + item[after - 1], return_inverse=True)
    two = _counts(state, item[after], (len(pairs), items))
    left, different = np.asarray(one.sum(1)).ravel(), np.diff(one.indptr)
    newest, came = np.repeat(pairs % items, np.diff(two.indptr)), two.indices
    lower = np.asarray(one[newest, came]).ravel() + different[newest] * share[came]
    lower /= left[newest] + different[newest]
    return NextItems(_added(one, share[one.indices]), _added(two, lower), pairs)


def _counts(row: Ints, column: Ints, shape: tuple[int, int]) -> sp.csr_matrix:
    """Number of each pair of row and column."""
    counts = sp.coo_matrix((np.ones(len(row)), (row, column)), shape=shape).tocsr()
    counts.sort_indices()
    return counts


def _added(counts: sp.csr_matrix, lower: Doubles) -> sp.csr_matrix:
    """What stored entries add; `lower` is the share of each one in the lower order."""
    different = np.diff(counts.indptr)
    row = np.repeat(np.arange(len(different)), different)
    added = np.log1p(counts.data / (different[row] * lower)).astype(np.float32)
    most = np.lexsort((counts.indices, -counts.data, row))
    place = np.arange(len(row)) - counts.indptr[:-1][row]
    kept = np.sort(most[place < MOST_AFTER])
    return sp.csr_matrix((added[kept], (row[kept], counts.indices[kept])), shape=counts.shape)


def _rows(table: sp.csr_matrix, state: Ints) -> Floats:
    """[R, I] rows of the table, zeros where the state [R] is -1."""
    known = np.flatnonzero(state >= 0)
    found = np.zeros((len(state), table.shape[1]), dtype=np.float32)
    if len(known):
        found[known] = table[state[known]].toarray()
    return found
