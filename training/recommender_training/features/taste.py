"""Taste: what a user thinks of an item, told from what he thought of the others in his session.

Items have a bias and K factors, fitted by alternating least squares to the values of all events
before a time (Koren et al. 2009, with user factors that are thrown away). A request's taste is
the ridge solution for its session (`graph.taste_vector`), so it needs no id and serves new users.

The factors that an event of the training window sees were fitted on events before it: they are
refitted as the number of events grows by GROWTH. When is told by the past alone, so that later
events change nothing. Legend of shapes: N events, U users, I items, L history length, K factors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor

from recommender_training.data.dataset import Events, Floats, Ints
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

_Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Taste:
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


def nothing(item_count: int) -> Taste:
    """What is known before the first fit."""
    bias = np.zeros(item_count, dtype=np.float32)
    return Taste(0.0, bias, np.zeros((item_count, FACTORS + 1), dtype=np.float32))


def fit_before(events: Events, time: int | None, item_count: int, first: int = FIRST) -> Taste:
    """Fitted on the events strictly earlier than `time` (all, if None).

    With fewer than `first` events nothing is known.
    """
    end = len(events) if time is None else int(np.searchsorted(events.time, time, side="left"))
    if end < max(1, first):
        return nothing(item_count)
    return _fit(events.take(np.arange(max(0, end - MAX_EVENTS), end)), item_count)


def fit_times(events: Events, first: int = FIRST, growth: float = GROWTH) -> list[int]:
    """Times before which a fit is made, ascending: those of the events of certain numbers."""
    times: list[int] = []
    number = first
    while number < len(events):
        time = int(events.time[number])
        if not times or time > times[-1]:
            times.append(time)
        number = max(number + 1, int(number * growth))
    return times


def rolling(
    events: Events,
    history: Ints,
    item_count: int,
    first: int = FIRST,
    growth: float = GROWTH,
) -> Tensor:
    """[N, T] taste numbers of every event and its own item, from strictly earlier events alone.

    `history` [N, L] are rows of the user's earlier events (`history.previous_events`). A row takes
    the newest fit whose time is before its own; zeros where there is none.
    """
    numbers = torch.zeros(len(events), len(graph.TASTE_NUMBERS))
    times = fit_times(events, first, growth)
    edges = [*np.searchsorted(events.time, times, side="right").tolist(), len(events)]
    for time, start, end in zip(times, edges, edges[1:], strict=False):
        if start < end:
            taste = fit_before(events, time, item_count, first)
            rows = np.arange(start, end, dtype=np.int64)
            numbers[start:end] = _numbers(taste, events, rows, history[start:end])
    return numbers


def _numbers(taste: Taste, events: Events, rows: Ints, history: Ints) -> Tensor:
    centre, bias, factors = taste.tensors()
    at = np.where(history >= 0, history, 0)
    parts = []
    for part in np.array_split(np.arange(len(rows)), max(1, len(rows) // 8192)):
        vector = graph.taste_vector(
            torch.from_numpy(events.item[at[part]]),
            torch.from_numpy(history[part] >= 0),
            torch.from_numpy(events.value[at[part]]),
            centre,
            bias,
            factors,
        )
        own = torch.from_numpy(events.item[rows[part]])
        parts.append(graph.taste_numbers(vector, bias[own], factors[own]))
    return torch.cat(parts)


def _fit(events: Events, item_count: int) -> Taste:
    users, user = np.unique(events.user, return_inverse=True)
    item, value = events.item, events.value.astype(np.float64)
    centre = float(value.mean())
    count = np.bincount(item, minlength=item_count)
    bias = np.bincount(item, weights=value - centre, minlength=item_count) / (count + BIAS_EVENTS)
    shape = (len(users), item_count)
    seen = sp.csr_matrix((np.ones(len(value)), (user, item)), shape=shape)
    rest = sp.csr_matrix((value - centre - bias[item], (user, item)), shape=shape)
    random = np.random.default_rng(_SEED)
    factors = random.normal(0, 0.1, (item_count, FACTORS))
    constant = np.ones((item_count, 1))
    ridge = np.r_[USER_BIAS_PENALTY, np.full(FACTORS, USER_PENALTY)]
    for _ in range(ROUNDS):
        taste = _ridge(seen, rest, np.hstack([constant, factors]), ridge)
        left = rest - seen.multiply(taste[:, :1])
        factors = _ridge(
            seen.T.tocsr(), sp.csr_matrix(left.T), taste[:, 1:], np.full(FACTORS, ITEM_PENALTY)
        )
    scaled = np.hstack([constant, factors]) / np.sqrt(ridge)
    return Taste(centre, bias.astype(np.float32), scaled.astype(np.float32))


def _ridge(
    seen: sp.csr_matrix, target: sp.csr_matrix, basis: _Doubles, ridge: _Doubles
) -> _Doubles:
    """For each row of `target` the weights of `basis` that explain its stored entries best."""
    width = basis.shape[1]
    upper = np.triu_indices(width)
    products = basis[:, upper[0]] * basis[:, upper[1]]
    parts = []
    for start in range(0, seen.shape[0], _BLOCK):
        rows = slice(start, start + _BLOCK)
        sums = seen[rows] @ products
        gram = np.zeros((len(sums), width, width))
        gram[:, upper[0], upper[1]] = sums
        gram[:, upper[1], upper[0]] = sums
        gram += np.diag(ridge)
        parts.append(np.linalg.solve(gram, (target[rows] @ basis)[:, :, None])[:, :, 0])
    return np.concatenate(parts)
