"""What a peer may know of a request, which is what the product gets, and how a peer is used.

Shapes: I items, H events of the user before the request, newest last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp

from tests.worlds.world import Bools, Doubles, Ints, Log

#: A setting of a peer, from its own grid.
Setting: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class Known:
    """A request's time and the user's [H] items; `past` is the whole log up to its second."""

    time: int
    items: Ints
    past: Log


#: [I] scores of all items for a request.
Scorer = Callable[[Known], Doubles]


@dataclass(frozen=True)
class Peer:
    """A method that fits a log of so many items, with a setting of its grid."""

    fit: Callable[[Log, int, Setting], Scorer]
    grid: Sequence[Setting]


def taken(log: Log, positive: bool) -> Bools:
    """[E] events that a peer learns from: positive ones, or clicks and views, too."""
    return log.positive if positive else log.engaged


def matrix(log: Log, items: int, positive: bool) -> sp.csr_matrix:
    """[U, I] 1 where a user has taken an item."""
    rows = taken(log, positive)
    users = int(log.user.max()) + 1
    cells = np.unique(log.user[rows] * items + log.item[rows])
    return sp.csr_matrix(
        (np.ones(len(cells)), (cells // items, cells % items)), shape=(users, items)
    )


def weighted(known: Known, items: int, half: float) -> Doubles:
    """[I] weights of what the user took; an item `half` events back counts half."""
    weights = np.zeros(items)
    back = np.arange(len(known.items))[::-1]
    np.maximum.at(weights, known.items, 0.5 ** (back / half))
    return weights
