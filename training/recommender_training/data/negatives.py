"""Negatives drawn for a log that has only positive events.

Of each positive event, items that its user could have seen at its time: such as have an event
before it, and of which the user has no positive event up to it. Each draw is a hash of the seed,
the event and its number, so that it depends on no other row, and rows that are added later change
nothing. Popularity draws the item of one of the earlier events, so an item is as frequent among
the negatives as in the log; Uniform draws one of the items that had an event before.

Legend of shapes: N rows, P positive events, D = P * k draws, I items.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from recommender_contract.resource.label import Negatives, NegativesBy
from recommender_training.common.arrays import Bools, Ints
from recommender_training.data.dataset import Dataset, Events
from recommender_training.data.labels import DRAWN, Labels

#: Draws for one negative; with all of them refused, there is one negative less.
ATTEMPTS = 16
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_Hashes = npt.NDArray[np.uint64]


def add_negatives(data: Dataset) -> Dataset:
    """Return the data set with drawn negatives, if its label declares them.

    They have the user, the time and the context of their positive event, and no value. Histories
    and counts do not see them (`Labels.logged`).
    """
    settings = data.label.negatives if data.label else None
    if settings is None:
        return data
    events = data.events
    positive, item = _draw(data, settings)
    return replace(data, events=_merged(events, positive, item))


def _draw(data: Dataset, settings: Negatives) -> tuple[Ints, Ints]:
    """Return the rows of the positive events, and an item for each negative of these."""
    events, count = data.events, np.int64(data.items.count)
    rows = np.repeat(np.flatnonzero(events.label), settings.per_positive).astype(np.int64)
    number = np.arange(len(rows)) % settings.per_positive
    key = _mixed(np.full(len(rows), settings.seed, dtype=np.uint64))
    for part in (
        data.users.ids[events.user[rows]],
        data.items.ids[events.item[rows]],
        events.time[rows],
        number,
    ):
        key = _mixed(key ^ part.astype(np.uint64))
    pool, before = _pool(events, settings.by)
    choices = np.searchsorted(before, events.time[rows], side="left").astype(np.int64)
    pairs, since = _first_positives(events, count)
    found = np.full(len(rows), -1, dtype=np.int64)
    open_ = np.flatnonzero(choices > 0)
    for attempt in range(ATTEMPTS):
        with np.errstate(over="ignore"):
            drawn = _mixed(key[open_] + np.uint64(attempt + 1) * _GOLDEN)
        item = pool[(drawn % choices[open_].astype(np.uint64)).astype(np.int64)]
        own = rows[open_]
        pair = events.user[own].astype(np.int64) * count + item
        place = np.searchsorted(pairs, pair).clip(max=len(pairs) - 1)
        refused = (pairs[place] == pair) & (since[place] <= events.time[own])
        found[open_[~refused]] = item[~refused]
        open_ = open_[refused]
    return rows[found >= 0], found[found >= 0]


def _pool(events: Events, by: NegativesBy) -> tuple[Ints, Ints]:
    """Return items to draw from, and the time that each is there for; both ascending in time."""
    item, time = events.item.astype(np.int64), events.time
    if by is NegativesBy.POPULARITY:
        return item, time
    _, first = np.unique(item, return_index=True)
    first = np.sort(first)
    return item[first], time[first]


def _first_positives(events: Events, count: np.int64) -> tuple[Ints, Ints]:
    """Return the pairs of user and item with a positive event, ascending, and the time of the
    first one of each."""
    rows = np.flatnonzero(events.positive)
    pair = events.user[rows].astype(np.int64) * count + events.item[rows]
    pairs, first = np.unique(pair, return_index=True)  # events are sorted by time
    return pairs, events.time[rows][first]


def _merged(events: Events, rows: Ints, item: Ints) -> Events:
    """Return the events, and negatives of the positive ones at `rows`, in the order of events."""
    assert events.labels is not None
    own = events.take(rows)
    nothing: Bools = np.zeros(len(rows), dtype=np.bool_)
    drawn = Labels(
        positive=nothing,
        label=nothing,
        state=np.full(len(rows), DRAWN, dtype=np.int8),
        weight=np.ones(len(rows), dtype=np.float32),
    )
    user, items, time = (
        np.concatenate([there, more.astype(there.dtype)])
        for there, more in (
            (events.user, own.user),
            (events.item, item),
            (events.time, own.time),
        )
    )
    labels = events.labels.followed_by(drawn)
    value = np.concatenate([events.value, np.zeros(len(rows), dtype=np.float32)])
    context = None
    if events.context is not None and own.context is not None:
        context = np.concatenate([events.context, own.context])
    order = np.lexsort((~labels.logged, items, user, time))
    return Events(user, items, value, time, context, labels).take(order)


def _mixed(values: _Hashes) -> _Hashes:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014), which changes half of the bits."""
    with np.errstate(over="ignore"):
        values = values + _GOLDEN
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: _Hashes = values ^ (values >> np.uint64(31))
    return mixed
