"""What was known before each event, computed for all events at once.

Half of the rows of MovieLens share their second with another row of the same user, so `before`
always means: at a strictly earlier time. Legend: N events, L history length, I items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender_training.data.dataset import Bools, Events, Ints


def previous_events(events: Events, length: int) -> Ints:
    """[N, L] rows of the last `length` strictly earlier events of the same user.

    Oldest first, padded with -1 at the left.
    """
    order = np.lexsort((events.item, events.time, events.user))
    user, time = events.user[order], events.time[order]
    position = np.arange(len(order), dtype=np.int64)
    new_user = np.r_[True, user[1:] != user[:-1]]
    new_time = new_user | np.r_[True, time[1:] != time[:-1]]
    user_start = np.maximum.accumulate(np.where(new_user, position, 0))
    time_start = np.maximum.accumulate(np.where(new_time, position, 0))
    window = time_start[:, None] - length + np.arange(length, dtype=np.int64)[None, :]
    valid = window >= user_start[:, None]
    rows = np.where(valid, order[np.where(valid, window, 0)], -1)
    result = np.empty_like(rows)
    result[order] = rows
    return result


@dataclass(frozen=True)
class ItemCounts:
    """Counts of events before a time, of one item or of each item."""

    events: Ints
    positives: Ints
    total: Ints  # events of all items

    def take(self, rows: Ints) -> ItemCounts:
        """The counts at these rows."""
        return ItemCounts(self.events[rows], self.positives[rows], self.total[rows])


def counts_before(events: Events) -> ItemCounts:
    """[N] counts of each event's item over all strictly earlier events of all users."""
    order = np.lexsort((events.time, events.item))
    item, time = events.item[order], events.time[order]
    label = events.label[order].astype(np.int64)
    position = np.arange(len(order), dtype=np.int64)
    new_item = np.r_[True, item[1:] != item[:-1]]
    new_time = new_item | np.r_[True, time[1:] != time[:-1]]
    item_start = np.maximum.accumulate(np.where(new_item, position, 0))
    time_start = np.maximum.accumulate(np.where(new_time, position, 0))
    running = np.r_[0, np.cumsum(label)]
    count = np.empty_like(position)
    positives = np.empty_like(position)
    count[order] = time_start - item_start
    positives[order] = running[time_start] - running[item_start]
    total = np.searchsorted(events.time, events.time, side="left").astype(np.int64)
    return ItemCounts(count, positives, total)


def counts_at(events: Events, time: int | None, item_count: int) -> ItemCounts:
    """[I] counts of each item over all events strictly earlier than `time` (all, if None)."""
    known: Bools = np.ones(len(events), dtype=np.bool_) if time is None else events.time < time
    count = np.bincount(events.item[known], minlength=item_count).astype(np.int64)
    liked = np.bincount(events.item[known & events.label], minlength=item_count).astype(np.int64)
    return ItemCounts(count, liked, np.full(item_count, int(known.sum()), dtype=np.int64))


def counts_within(events: Events, seconds: int) -> tuple[Ints, Ints]:
    """[N] events of each event's item, and of all items, in the `seconds` before it.

    The window is closed on the left, [t - seconds, t): simultaneous events are outside.
    """
    count = len(events)
    first = np.searchsorted(events.time, events.time - seconds, side="left")
    end = np.searchsorted(events.time, events.time, side="left")
    places = np.sort(events.item * count + np.arange(count))
    own = np.searchsorted(places, events.item * count + end)
    own -= np.searchsorted(places, events.item * count + first)
    return own.astype(np.int64), (end - first).astype(np.int64)
