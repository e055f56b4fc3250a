"""Point-in-time history: counts before each event, computed for all events at once.

Half of the rows of MovieLens share their second with another row of the same user, so `before`
always means: at a strictly earlier time. Legend: N events, L history length, I items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender_training.common.arrays import Bools, Ints, Places
from recommender_training.data.dataset import Events


@dataclass(frozen=True)
class Histories:
    """Where the earlier acts of each row's user are found: 8 bytes a row, whatever the length."""

    order: Places  # [acts] sorted by user, then time
    end: Places  # [N] place in `order` of the first event of the same user and second
    start: Places  # [N of users + 1] place in `order` of the first event of each user
    user: Places  # [N] of each event

    @classmethod
    def of(cls, events: Events) -> Histories:
        """The index of these events."""
        order = np.argsort(events.user, kind="stable").astype(np.int32)  # they are sorted by time
        start = np.r_[0, np.cumsum(np.bincount(events.user))]
        new = _differs(events.time[order])
        new[start[start < len(order)]] = True
        end = np.empty(len(order), dtype=np.int32)
        if events.labels is None:
            end[order] = _last_true(new)
            return cls(order, end, start, events.user)
        acts = events.labels.acts[order]
        before = _counted(acts)
        end[order] = before[_last_true(new)]
        return cls(order[acts], end, before[start], events.user)

    def before(self, rows: Places, length: int) -> Ints:
        """[R, L] rows of the last `length` strictly earlier acts of the user of each row.

        Oldest first, padded with -1 at the left.
        """
        if not len(self.order):
            return np.full((len(rows), length), -1, dtype=np.int64)
        window = self.end[rows][:, None] - length + np.arange(length, dtype=np.int64)[None, :]
        valid = window >= self.start[self.user[rows]][:, None]
        return np.where(valid, self.order[np.where(valid, window, 0)], -1).astype(np.int64)


def previous_events(events: Events, length: int) -> Ints:
    """[N, L] rows of the last `length` strictly earlier events of each event's user."""
    return Histories.of(events).before(np.arange(len(events), dtype=np.int64), length)


def _counted(marked: Bools) -> Places:
    """[N + 1] how many are marked before each place."""
    before = np.zeros(len(marked) + 1, dtype=np.int32)
    np.cumsum(marked, dtype=np.int32, out=before[1:])
    return before


def _differs(values: Ints | Places) -> Bools:
    """[N] True where a value is another than the one before it."""
    new = np.ones(len(values), dtype=np.bool_)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return new


def _last_true(new: Bools) -> Places:
    """[N] place of the last true value up to each one."""
    place = np.arange(len(new), dtype=np.int32)
    place *= new
    return np.maximum.accumulate(place, out=place)


@dataclass(frozen=True)
class ItemCounts:
    """Counts of events before a time, of one item or of each item."""

    events: Places
    positives: Places
    total: Places  # events of all items

    def take(self, rows: Places) -> ItemCounts:
        """The counts at these rows, in 64 bits."""
        columns = (self.events[rows], self.positives[rows], self.total[rows])
        return ItemCounts(*(column.astype(np.int64) for column in columns))


def counts_before(events: Events) -> ItemCounts:
    """[N] counts of each event's item over all strictly earlier events of all users.

    In 32 bits, and so are the arrays on the way: they are as long as the data.
    """
    order = np.argsort(events.item, kind="stable").astype(np.int32)  # they are sorted by time
    new_item = _differs(events.item[order])
    first = _last_true(_differs(events.time[order]) | new_item)
    running = _counted(events.positive[order])
    item_start = _last_true(new_item)
    count, positives = (np.empty(len(order), dtype=np.int32) for _ in range(2))
    positives[order] = running[first] - running[item_start]
    total = _last_true(_differs(events.time))
    if events.labels is None:
        count[order] = first - item_start
        return ItemCounts(count, positives, total)
    before = _counted(events.labels.logged[order])
    count[order] = before[first] - before[item_start]
    return ItemCounts(count, positives, _counted(events.labels.logged)[total])


def counts_at(events: Events, time: int | None, item_count: int) -> ItemCounts:
    """[I] counts of each item over all events strictly earlier than `time` (all, if None)."""
    events = events.logged
    known: Bools = np.ones(len(events), dtype=np.bool_) if time is None else events.time < time
    count = np.bincount(events.item[known], minlength=item_count).astype(np.int64)
    liked = np.bincount(events.item[known & events.positive], minlength=item_count)
    liked = liked.astype(np.int64)
    return ItemCounts(count, liked, np.full(item_count, int(known.sum()), dtype=np.int64))


def counts_within(events: Events, seconds: int) -> tuple[Places, Places]:
    """[N] events of each event's item, and of all items, in the `seconds` before it.

    The window is closed on the left, [t - seconds, t): simultaneous events are outside.
    """
    count = len(events)
    first = np.searchsorted(events.time, events.time - seconds, side="left")
    end = np.searchsorted(events.time, events.time, side="left")
    start = events.item.astype(np.int64) * count
    places = start + np.arange(count)
    if events.labels is not None:
        places = places[events.labels.logged]
        before = _counted(events.labels.logged)
        total = before[end] - before[first]
    else:
        total = end - first
    places.sort()
    own = np.searchsorted(places, start + end) - np.searchsorted(places, start + first)
    return own.astype(np.int32), total.astype(np.int32)
