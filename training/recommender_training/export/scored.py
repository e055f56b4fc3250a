"""Which items an exported graph has to score, but for the arithmetic.

Legend of shapes: I items, C candidates.
"""

from __future__ import annotations

import numpy as np

from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.fitted.new_items import KeptWithin


def scored(
    order: Doubles,
    candidates: int | None,
    served: Ints,
    found: Bools,
    new: KeptWithin,
    slack: float,
) -> Ints:
    """[C] ascending rows of the items that a graph has to score: its candidates by `order` [I],
    and the `new` items that are kept beside them.

    Where the order of an item is the last candidate's but for the `slack` of the arithmetic, the
    graph may score it or not; what is `served` then shows which. So it does where the item is
    surely `found` [I] or not, but for the arithmetic: its page is the last one that is read, or
    the first that is not.
    """
    if candidates is None:
        return np.arange(len(order), dtype=np.int64)
    shown = np.zeros(len(order), dtype=np.bool_)
    shown[served] = True
    others, fewest = (
        np.where(new.surely, -np.inf, order),
        np.where(found & ~new.perhaps, order, -np.inf),
    )
    last, least = (_last(each, candidates) for each in (others, fewest))
    surely = new.surely | (found & (order > last + slack))
    perhaps = new.perhaps | (order >= least - slack)
    return np.flatnonzero(np.isfinite(order) & (surely | (shown & perhaps)))


def _last(order: Doubles, candidates: int) -> float:
    """The order of the last candidate; -inf where there are fewer items."""
    return -float(np.partition(-order, candidates - 1)[candidates - 1])
