"""Retrieval by item-to-item weights: which items go with a session, and which come after it.

A response model alone answers "would he like it", not "would he look for it": by itself it ranks
obscure favourites first. So the order of an answer is the response's logit, plus the retrieval
score, plus popularity. The score is the sum of the weights of the session's events, each counting
less with its age and more where it was liked (`graph.event_weights`). The weights add two things:
EASE (Steck 2019) on what users like together, and how often an item came within the next events of
a user. All settings were chosen by rolling origin (ADR 0008).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from recommender_training.common.arrays import Bools, Floats
from recommender_training.common.errors import InputError
from recommender_training.data.dataset import Dataset, Events
from recommender_training.features.history import ItemCounts

PENALTY = 800.0
RETRIEVAL_WEIGHT = 20.0
POPULARITY_WEIGHT = 1.0
#: Weight of what came after, beside EASE; both have rows of mean square one.
FOLLOWING_WEIGHT = 0.6
#: An event counts for those up to LAGS before it, e times less with every LAG_SCALE between, and
#: e times less with every FOLLOWING_DAYS of its own age.
LAGS, LAG_SCALE, FOLLOWING_DAYS = 40, 20.0, 60.0
#: Exponents of the popularity of the earlier and of the later item, and events added to each.
EARLIER_POWER, LATER_POWER, ADDED_EVENTS = 0.6, 0.4, 5.0
#: The weights are dense, [I, I] float32: 400 MB at this size.
MAX_ITEMS = 10_000
#: Events that are looked at at a time: what is computed from them is larger than they are.
BLOCK_EVENTS = 1_000_000
_DAY = 86_400.0


def fit(data: Dataset, known: Bools) -> Floats:
    """[I, I] weights from the events marked by `known` [N]; row: item of the session.

    Raises InputError `CatalogueTooLarge` above MAX_ITEMS.
    """
    count = data.items.count
    if count > MAX_ITEMS:
        raise InputError(
            "CatalogueTooLarge",
            f"the items table has {count} items, the dense retrieval takes {MAX_ITEMS} at most; "
            "leave out items that can no longer be recommended, or order lists by the towers "
            "alone (training.hyperparameters.retrieval: TwoTower)",
        )
    events = data.events.take(known)
    weights = _of_mean_square_one(liked_together(events, count))
    weights += FOLLOWING_WEIGHT * _of_mean_square_one(following(events, count))
    return np.asarray(weights, dtype=np.float32)


def liked_together(events: Events, count: int, penalty: float = PENALTY) -> Floats:
    """[I, I] weights of EASE on the positive events."""
    gram = np.zeros((count, count))
    for liked in _by_users(events.take(events.label)):
        users, rows = np.unique(liked.user, return_inverse=True)
        ones = np.ones(len(liked), dtype=np.float64)
        matrix = sp.csr_matrix((ones, (rows, liked.item)), shape=(len(users), count))
        matrix.data[:] = 1.0  # an item liked twice counts once
        gram += (matrix.T @ matrix).toarray()
    gram[np.diag_indices(count)] += penalty
    inverse = _inverse(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights.astype(np.float32)


def following(events: Events, count: int) -> Floats:
    """[I, I] how often the later item came within LAGS events of a user after the earlier one.

    Recent events count more, popular items less. Events of one second follow one another in
    either order, since nobody knows which was first.
    """
    if len(events) == 0:
        return np.zeros((count, count), dtype=np.float32)
    total = sp.csr_matrix((count, count))
    for some in _by_users(events):
        total = _add_following(total, some, int(events.time[-1]))
    popularity = np.bincount(events.item, minlength=count) + ADDED_EVENTS
    scaled = total.toarray() / popularity[:, None] ** EARLIER_POWER
    return np.asarray(scaled / popularity[None, :] ** LATER_POWER, dtype=np.float32)


def _add_following(total: sp.csr_matrix, events: Events, newest: int) -> sp.csr_matrix:
    """What came after what in these events, added to the sum [I, I] of those of other users."""
    count = total.shape[0]
    order = np.lexsort((events.item, events.time, events.user))
    user, item, time = events.user[order], events.item[order], events.time[order]
    recent = np.exp((time - newest) / (FOLLOWING_DAYS * _DAY))
    for lag in range(1, min(LAGS, len(events) - 1) + 1):
        same = user[lag:] == user[:-lag]
        earlier, later = item[:-lag][same], item[lag:][same]
        weight = np.exp(-lag / LAG_SCALE) * recent[lag:][same]
        tied = time[lag:][same] == time[:-lag][same]
        rows = np.r_[earlier, later[tied]]
        columns = np.r_[later, earlier[tied]]
        pairs = (np.r_[weight, weight[tied]], (rows, columns))
        total = total + sp.csr_matrix(pairs, shape=(count, count))
    return total


def _by_users(events: Events) -> Iterator[Events]:
    """The events, those of some users at a time: about BLOCK_EVENTS."""
    if len(events) <= BLOCK_EVENTS:
        yield events
        return
    last = np.cumsum(np.bincount(events.user))
    block = ((last - 1) // BLOCK_EVENTS).astype(np.int16)[events.user]
    for number in np.unique(block):
        yield events.take(block == number)


def popularity_prior(counts: ItemCounts) -> Floats:
    """[I] weighted log popularity, relative to the mean item."""
    mean = (counts.total + counts.events.size) / counts.events.size
    relative = np.log((counts.events + 1.0) / mean)
    return np.asarray(POPULARITY_WEIGHT * relative, dtype=np.float32)


def _of_mean_square_one(weights: Floats) -> Floats:
    """Scaled so that the sum of squares of a row is one on average; zeros stay."""
    size = float(np.sqrt((weights.astype(np.float64) ** 2).sum() / len(weights)))
    return np.asarray(weights / size if size > 0 else weights, dtype=np.float32)


def _inverse(symmetric: np.ndarray) -> np.ndarray:
    """Inverse of a positive definite matrix by Cholesky: half the work of a general one."""
    lower, failed = lapack.dpotrf(symmetric, lower=1)
    inverse, failed_again = lapack.dpotri(lower, lower=1)
    if failed or failed_again:
        raise np.linalg.LinAlgError("the Gram matrix of the retrieval is not positive definite")
    return np.asarray(np.tril(inverse) + np.tril(inverse, -1).T)
