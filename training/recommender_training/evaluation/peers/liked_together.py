"""Peers that know which items users like together: item-based neighbours and EASE.

Both score an item by the positive events of the session. Settings are common ones of the
literature and are not tuned. Legend of shapes: R requests, I items, J items that are compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from recommender_training.common.arrays import Doubles, Floats, Ints
from recommender_training.data.dataset import Events
from recommender_training.models import ease, neighbours

#: Nearest neighbours of an item, and what is added to the norm of its cosines (Sarwar et al.
#: 2001; Ferrari Dacrema et al. 2019).
NEIGHBOURS, SHRINK = 100, 10.0
#: Penalty of EASE (Steck 2019), and the items that it knows: those that are liked most. Its two
#: dense matrices take 16 bytes for each pair of them.
PENALTY, HEAD_ITEMS = 500.0, 2_000
#: Items whose neighbours are sought at a time.
_BLOCK = 256


@dataclass(frozen=True)
class LikedTogether:
    """Weights of some items to others; an item without any is not known to the peer."""

    weights: sp.csr_matrix  # [I, I] row: item of the session

    def scores(self, liked: sp.csr_matrix) -> Doubles:
        """[R, I] sums of the weights of the liked items [R, I]."""
        return np.asarray((liked @ self.weights).toarray())


def item_knn(events: Events, items: int, wanted: Ints) -> LikedTogether:
    """Shrunk cosines of the `wanted` items to their nearest neighbours, from positive events."""
    liked = neighbours.liked_by_users(events, items)
    by_item, norm = liked.T.tocsr(), np.sqrt(np.asarray(liked.sum(0)).ravel())
    parts = [sp.csr_matrix((0, items))]
    for start in range(0, len(wanted), _BLOCK):
        block = wanted[start : start + _BLOCK]
        both = (by_item[block] @ liked).tocoo()
        other = both.col != block[both.row]
        row, column = both.row[other], both.col[other]
        cosine = both.data[other] / (norm[block[row]] * norm[column] + SHRINK)
        near = sp.csr_matrix((cosine, (row, column)), shape=both.shape)
        parts.append(neighbours.largest(near, NEIGHBOURS))
    return LikedTogether(_rows(sp.vstack(parts, format="csr"), wanted, items))


@dataclass(frozen=True)
class Ease:
    """EASE on the items that are liked most; it scores no other."""

    head: Ints  # [J] ascending
    weights: Floats  # [J, J] row: item of the session
    items: int

    @classmethod
    def of(cls, events: Events, items: int) -> Ease:
        """From the positive events."""
        liked = np.bincount(events.item[events.positive], minlength=items)
        best = np.argsort(-liked, kind="stable")[:HEAD_ITEMS]
        head = np.sort(best[liked[best] > 0]).astype(np.int64)
        place = np.full(items, -1)
        place[head] = np.arange(len(head))
        inside = events.take(place[events.item] >= 0)
        if len(head) == 0:
            return cls(head, np.zeros((0, 0), dtype=np.float32), items)
        own = replace(inside, item=place[inside.item])
        return cls(head, ease.liked_together(own, len(head), PENALTY), items)

    def scores(self, liked: sp.csr_matrix) -> Doubles:
        """[R, I] sums of the weights of the liked items [R, I]; 0 for an item beyond the head."""
        found = np.zeros((liked.shape[0], self.items))
        found[:, self.head] = liked[:, self.head] @ self.weights
        return found


def _rows(weights: sp.csr_matrix, wanted: Ints, items: int) -> sp.csr_matrix:
    """[I, I] with the rows of `weights` [J, I] at the wanted items [J]."""
    whole = weights.tocoo()
    return sp.csr_matrix((whole.data, (wanted[whole.row], whole.col)), shape=(items, items))
