"""Markov chains of first and second order: which item is liked next, given the last one or two.

A transition is from the last acts of a user to an act right after them that is positive. A chain
is smoothed with the next lower order as Witten and Bell (1991) do: of a state that was left N
times towards T different items, the lower order has the share T / (N + T). So it has no setting.
The order below the first is the share of each item in all positive events. Acts of one second are
in the order of the data, since nobody knows which was first. Legend of shapes: R requests, I
items, S states.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from recommender_training.common.arrays import Doubles, Ints
from recommender_training.data.dataset import Events


@dataclass(frozen=True)
class MarkovChain:
    """Transitions from the last item, and from the last two."""

    share: Doubles  # [I] of positive events, the order below the first
    first: sp.csr_matrix  # [I, I] transitions from an item to the next
    second: sp.csr_matrix  # [S, I] transitions from a pair
    pairs: Ints  # [S] code of each pair, ascending

    @classmethod
    def of(cls, acts: Events, items: int) -> MarkovChain:
        """From acts, which are sorted by time."""
        order = np.lexsort((acts.time, acts.user))
        user, item = acts.user[order], acts.item[order].astype(np.int64)
        positive = acts.positive[order]
        after = np.flatnonzero((user[1:] == user[:-1]) & positive[1:]) + 1
        first = _counts(item[after - 1], item[after], (items, items))
        after = after[after > 1]
        after = after[user[after - 2] == user[after]]
        code = item[after - 2] * items + item[after - 1]
        pairs, state = np.unique(code, return_inverse=True)
        second = _counts(state, item[after], (len(pairs), items))
        share = np.bincount(item[positive], minlength=items) + 1.0
        return cls(share / share.sum(), first, second, pairs)

    def scores(self, newest: Ints, before: Ints) -> tuple[Doubles, Doubles]:
        """[R, I] probabilities of first and of second order.

        `newest` [R] is the last item of each session and `before` [R] the one before it; -1 for
        none.
        """
        items = len(self.share)
        lowest = np.tile(self.share, (len(newest), 1))
        first = _smoothed(self.first, np.where(newest >= 0, newest, -1), lowest)
        code = before * items + newest
        state: Ints = np.searchsorted(self.pairs, code)
        known = before >= 0
        known[known] = (state < len(self.pairs))[known]
        known[known] = self.pairs[state[known]] == code[known]
        return first, _smoothed(self.second, np.where(known, state, -1), first)


def _counts(row: Ints, column: Ints, shape: tuple[int, int]) -> sp.csr_matrix:
    """Number of each pair of row and column."""
    return sp.coo_matrix((np.ones(len(row)), (row, column)), shape=shape).tocsr()


def _smoothed(counts: sp.csr_matrix, state: Ints, lower: Doubles) -> Doubles:
    """[R, I] probabilities after each state [R], those of the `lower` order where it is -1."""
    known = np.flatnonzero(state >= 0)
    found = lower.copy()
    if len(known):
        rows = counts[state[known]]
        left, different = np.asarray(rows.sum(1)), np.diff(rows.indptr)[:, None]
        whole = left + different
        mixed = rows.toarray() + different * lower[known]
        np.divide(mixed, whole, out=mixed, where=whole > 0)
        found[known] = np.where(whole > 0, mixed, lower[known])
    return found
