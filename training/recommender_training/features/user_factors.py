"""Ridge user factors: how a user values an item, predicted from the session's other values.

Items have a bias and K factors, fitted by alternating least squares to the values of all events
before a time (Koren et al. 2009, with user factors that are thrown away). The user factors of a
request are the ridge solution for its session (`graph.taste_vector`): they need no id and serve
new users. Features, graph and buffers call them by the name of earlier releases, taste.

The factors that an event of the training window sees were fitted on events before it: they are
refitted as the number of events grows by GROWTH. The times depend on the past alone, so that later
events change nothing. A fit computes and keeps the items that have events before it alone, so that
neither follows the catalogue.

Legend of shapes: N events, U users, I items, S items with events before a fit, L history length,
K factors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from recommender_training.common.arrays import Doubles, Floats, Ints, Places
from recommender_training.data.dataset import Events
from recommender_training.features import graph

FACTORS = 8
#: Strength of the ridge on a user's bias and factors, on an item's factors, and how many events
#: at the mean each item's bias is shrunk by. Chosen by rolling origin (ADR 0008).
USER_BIAS_PENALTY, USER_PENALTY, ITEM_PENALTY, BIAS_EVENTS = 6.0, 8.0, 3.0, 8.0
ROUNDS = 6
#: The first fit is made of this many events, the next when there are GROWTH times as many.
FIRST, GROWTH = 500, 1.25
#: Newest events that a fit reads, which bounds its time.
MAX_EVENTS = 2_000_000
_SEED = 0
_BLOCK = 50_000
#: Events whose numbers are computed at a time.
_ROWS = 8192
#: Ridge on a user's bias and factors, and the scaled factors of an item without events.
_RIDGE = np.r_[USER_BIAS_PENALTY, np.full(FACTORS, USER_PENALTY)]
_UNSEEN = (np.r_[1.0, np.zeros(FACTORS)] / np.sqrt(_RIDGE)).astype(np.float32)[None]


@dataclass(frozen=True)
class ItemFactors:
    """The items as a fit knows them. An item without events has zeros: its mean is the centre."""

    centre: float  # mean value of an event
    bias: Floats  # [I] deviation of an item's mean value, shrunk
    factors: Floats  # [I, K + 1] the first one is constant; scaled so that a user's ridge is 1

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Centre, bias and factors, as the functions of `graph` take them."""
        return (
            torch.tensor(self.centre),
            torch.from_numpy(self.bias),
            torch.from_numpy(self.factors),
        )


def no_factors(item_count: int) -> ItemFactors:
    """Factors before the first fit: all zero."""
    bias = np.zeros(item_count, dtype=np.float32)
    return ItemFactors(0.0, bias, np.zeros((item_count, FACTORS + 1), dtype=np.float32))


@dataclass(frozen=True)
class _Fit:
    """One fit, of the items with events before it alone; all others are alike (`_UNSEEN`)."""

    centre: float
    item: Ints  # [S] rows of the items, ascending
    bias: Floats  # [S]
    factors: Floats  # [S, K + 1]

    def whole(self, item_count: int) -> ItemFactors:
        """The same of all items."""
        bias = np.zeros(item_count, dtype=np.float32)
        factors = np.tile(_UNSEEN, (item_count, 1))
        bias[self.item], factors[self.item] = self.bias, self.factors
        return ItemFactors(self.centre, bias, factors)


def fit_before(
    events: Events, time: int | None, item_count: int, first: int = FIRST
) -> ItemFactors:
    """Fitted on the events strictly earlier than `time` (all, if None).

    With fewer than `first` events nothing is known.
    """
    fit = _fit_before(events.logged, time, item_count, first)
    return no_factors(item_count) if fit is None else fit.whole(item_count)


def _fit_before(events: Events, time: int | None, item_count: int, first: int) -> _Fit | None:
    end = len(events) if time is None else int(np.searchsorted(events.time, time, side="left"))
    if end < max(1, first):
        return None
    return _fit(events.take(np.arange(max(0, end - MAX_EVENTS), end)), item_count)


def fit_times(events: Events, first: int = FIRST, growth: float = GROWTH) -> list[int]:
    """Times before which a fit is made, ascending: those of the events of certain numbers."""
    events = events.logged
    times: list[int] = []
    number = first
    while number < len(events):
        time = int(events.time[number])
        if not times or time > times[-1]:
            times.append(time)
        number = max(number + 1, int(number * growth))
    return times


@dataclass(frozen=True)
class RollingFits:
    """The fits of a data set, one below the other. J fits, of S items in all.

    Row 0 of `bias` and `factors` is any item before the first fit, row 1 an item without events
    before a fit.
    """

    times: Ints  # [J] before which a fit was made, ascending
    centre: Tensor  # [J + 1, 1] the first one knows nothing
    unseen: Ints  # [J + 1] row of an item that the fit does not have
    keys: Ints  # [S] fit, from 1, times I plus row of the item; ascending
    bias: Tensor  # [2 + S]
    factors: Tensor  # [2 + S, K + 1]
    item_count: int

    @classmethod
    def of(
        cls,
        events: Events,
        item_count: int,
        first: int = FIRST,
        growth: float = GROWTH,
        since: int | None = None,
    ) -> RollingFits:
        """All fits of these events, but those that no event from `since` on would take."""
        events = events.logged
        times = fit_times(events, first, growth)
        if since is not None:
            times = times[max(0, int(np.searchsorted(times, since, side="left")) - 1) :]
        none = _Fit(
            0.0, np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros_like(_UNSEEN)[:0]
        )
        made = [_fit_before(events, time, item_count, first) for time in times]
        fits = [fit or none for fit in made]
        places = [fit.item + number * item_count for number, fit in enumerate(fits, start=1)]
        return cls(
            np.array(times, dtype=np.int64),
            torch.tensor([[0.0], *([fit.centre] for fit in fits)]),
            np.array([0, *(int(fit is not None) for fit in made)], dtype=np.int64),
            np.concatenate([none.item, *places]),
            torch.from_numpy(np.concatenate([np.zeros(2, np.float32), *(f.bias for f in fits)])),
            torch.from_numpy(
                np.concatenate([np.zeros_like(_UNSEEN), _UNSEEN, *(fit.factors for fit in fits)])
            ),
            item_count,
        )

    def numbers(self, events: Events, rows: Places, history: Ints) -> Tensor:
        """[R, T] taste numbers of the events `rows` [R] and their own items.

        `history` [R, L] are rows of the user's events before each (`Histories.before`). A row
        takes the newest fit whose time is before its own; zeros where there is none.
        """
        fit = np.searchsorted(self.times, events.time[rows], side="left")
        at = np.where(history >= 0, history, 0)
        vector = graph.taste_vector(
            torch.from_numpy(self._places(fit[:, None], events.item[at])),
            torch.from_numpy(history >= 0),
            torch.from_numpy(events.value[at]),
            self.centre[torch.from_numpy(fit)],
            self.bias,
            self.factors,
        )
        own = torch.from_numpy(self._places(fit, events.item[rows]))
        return graph.taste_numbers(vector, self.bias[own], self.factors[own])

    def _places(self, fit: Ints, item: Places) -> Ints:
        """Rows of `bias` and `factors` of these items in these fits."""
        wanted = fit * self.item_count + item
        found = np.searchsorted(self.keys, wanted)
        missing = self.unseen[fit]
        if not len(self.keys):
            return missing + np.zeros_like(wanted)
        seen = self.keys[np.minimum(found, len(self.keys) - 1)] == wanted
        return np.where(seen, found + 2, missing)


def rolling_numbers(
    events: Events,
    history: Ints,
    item_count: int,
    first: int = FIRST,
    growth: float = GROWTH,
    rows: Ints | None = None,
) -> Tensor:
    """[R, T] taste numbers of events and their own items, from strictly earlier events alone.

    `rows` [R] are ascending (all, if None); `history` [R, L] are rows of the user's events before
    each (`event_history.previous_events`).
    """
    rows = np.arange(len(events), dtype=np.int64) if rows is None else rows
    if len(rows) == 0:
        return torch.zeros(0, len(graph.TASTE_NUMBERS))
    fits = RollingFits.of(events, item_count, first, growth, since=int(events.time[rows[0]]))
    parts = np.array_split(np.arange(len(rows)), max(1, len(rows) // _ROWS))
    return torch.cat([fits.numbers(events, rows[part], history[part]) for part in parts])


def _fit(events: Events, item_count: int) -> _Fit:
    users, user = np.unique(events.user, return_inverse=True)
    items, item = np.unique(events.item, return_inverse=True)
    value = events.value.astype(np.float64)
    centre = float(value.mean())
    count = np.bincount(item)
    bias = np.bincount(item, weights=value - centre) / (count + BIAS_EVENTS)
    shape = (len(users), len(items))
    seen = sp.csr_matrix((np.ones(len(value)), (user, item)), shape=shape)
    rest = sp.csr_matrix((value - centre - bias[item], (user, item)), shape=shape)
    # drawn for all items, so that an item starts at the same factors in every fit
    factors = np.random.default_rng(_SEED).normal(0, 0.1, (item_count, FACTORS))[items]
    constant = np.ones((len(items), 1))
    for _ in range(ROUNDS):
        taste = _ridge(seen, rest, np.hstack([constant, factors]), _RIDGE)
        left = rest - seen.multiply(taste[:, :1])
        factors = _ridge(
            seen.T.tocsr(), sp.csr_matrix(left.T), taste[:, 1:], np.full(FACTORS, ITEM_PENALTY)
        )
    scaled = np.hstack([constant, factors]) / np.sqrt(_RIDGE)
    return _Fit(centre, items.astype(np.int64), bias.astype(np.float32), scaled.astype(np.float32))


def _ridge(seen: sp.csr_matrix, target: sp.csr_matrix, basis: Doubles, ridge: Doubles) -> Doubles:
    """For each row of `target` the weights of `basis` that explain its stored entries best.

    Zeros for a row without an entry.
    """
    width = basis.shape[1]
    found = np.zeros((seen.shape[0], width))
    filled = np.flatnonzero(np.diff(seen.indptr))
    upper = np.triu_indices(width)
    products = basis[:, upper[0]] * basis[:, upper[1]]
    for start in range(0, len(filled), _BLOCK):
        rows = filled[start : start + _BLOCK]
        sums = seen[rows] @ products
        gram = np.zeros((len(sums), width, width))
        gram[:, upper[0], upper[1]] = sums
        gram[:, upper[1], upper[0]] = sums
        gram += np.diag(ridge)
        found[rows] = np.linalg.solve(gram, (target[rows] @ basis)[:, :, None])[:, :, 0]
    return found
